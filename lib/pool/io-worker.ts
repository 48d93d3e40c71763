import { MessageChannel, type MessagePort } from 'node:worker_threads';

import type { Piscina } from 'piscina';

import { WORKER } from '../layout/lane.js';
import { addon } from '../native/addon.js';
import type { IoWorkerHandle } from '../native/lane.js';

/** How an I/O worker's thread is to serve. */
export interface ServeSettings {
  readonly spinMicroseconds: number;
  /** The CPUs that it keeps to. */
  readonly cpus?: readonly number[] | undefined;
}

/** What an I/O worker's thread is told. */
export interface ServeTask extends ServeSettings {
  readonly worker: IoWorkerHandle;
  /** Gets one message when the thread serves. */
  readonly started: MessagePort;
}

/** A worker that dies this soon after its start, this often in a row, will not get better. */
const LEAST_LIFE_MS = 1000;
const MOST_SHORT_LIVES = 5;

/** One I/O worker: its lanes outlive the thread that serves them, which is replaced when it dies. */
export class IoWorker {
  readonly handle: IoWorkerHandle = addon.workerCreate();
  readonly #control = new Int32Array(addon.workerView(this.handle));
  replacements = 0;
  #stopping = false;
  #shortLives = 0;
  #serving: Promise<void>;
  readonly #firstStart: Promise<void>;

  constructor(
    private readonly threads: Piscina,
    private readonly settings: ServeSettings,
  ) {
    let tell: () => void = () => undefined;
    this.#firstStart = new Promise((resolve) => {
      tell = resolve;
    });
    this.#serving = this.#serve(tell);
  }

  /** As it stands now; 0 before a thread serves. */
  get lookingMicroseconds(): number {
    return Atomics.load(this.#control, WORKER.spin / 4);
  }

  /** Resolves when a thread serves; rejects when none could. */
  async started(): Promise<void> {
    await Promise.race([this.#firstStart, this.#serving]);
  }

  /** Has the thread return. */
  stop(): void {
    this.#stopping = true;
    addon.workerStop(this.handle);
  }

  /** Resolves when no thread serves any more. */
  async ended(): Promise<void> {
    await this.#serving;
  }

  /** Runs thread after thread until told to stop. */
  async #serve(tell: () => void): Promise<void> {
    for (;;) {
      const since = performance.now();
      const failure = await this.#serveOnce(tell);
      if (this.#stopping) return;
      // What the dead thread had begun may have reached the device: it is answered, and never run again.
      addon.workerRecover(this.handle);
      this.replacements++;
      this.#shortLives = performance.now() - since < LEAST_LIFE_MS ? this.#shortLives + 1 : 0;
      if (this.#shortLives >= MOST_SHORT_LIVES) throw failure;
    }
  }

  async #serveOnce(tell: () => void): Promise<unknown> {
    const { port1, port2 } = new MessageChannel();
    port1.once('message', tell);
    port1.unref();
    const task: ServeTask = { worker: this.handle, ...this.settings, started: port2 };
    try {
      await this.threads.run(task, { transferList: [port2] });
      return undefined;
    } catch (error) {
      return error;
    } finally {
      port1.close();
    }
  }
}
