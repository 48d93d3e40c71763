import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { MessageChannel, type MessagePort, type Worker } from 'node:worker_threads';

import { warn } from '../base/diagnostics.js';
import { VfioError } from '../base/errors.js';
import { AsyncLane } from '../lane/async-lane.js';
import { WORKER } from '../layout/lane.js';
import { addon } from '../native/addon.js';
import type { IoWorkerHandle } from '../native/lane.js';
import { ThreadPlace } from './thread-place.js';

/** How an I/O worker's thread is to serve. */
export interface ServeSettings {
  readonly spinMicroseconds: number;
  /** The CPUs that it keeps to. */
  readonly cpus?: readonly number[] | undefined;
}

/** How an I/O worker is to be. */
export interface WorkerSettings extends ServeSettings {
  /** Slots of a lane, a power of two. */
  readonly laneCapacity: number;
}

/** What an I/O worker's thread is told. */
export interface ServeTask extends ServeSettings {
  readonly worker: IoWorkerHandle;
  /** Gets one message when the thread serves. */
  readonly started: MessagePort;
}

/** How one thread ended. */
interface Life {
  /** How long it served, milliseconds; undefined when it never did. */
  readonly servedMs: number | undefined;
  readonly error: VfioError;
}

const FILENAME = fileURLToPath(new URL('../../workers/io-worker.js', import.meta.url));
/** A worker whose threads serve no longer than this, so often in a row, will not get better. */
const LEAST_LIFE_MS = 200;
const MOST_SHORT_LIVES = 5;
/** Before the thread after a short life; twice as long each time. */
const FIRST_PAUSE_MS = 50;
/** As many devices have a lane each; more share them. One has 64 KiB, if it is of the usual capacity. */
const MOST_LANES = 16;

/** One I/O worker: its lanes outlive the thread that serves them, which is replaced when it dies. */
export class IoWorker {
  readonly handle: IoWorkerHandle = addon.workerCreate();
  readonly #control = new Int32Array(addon.workerView(this.handle));
  /** With how many use each. */
  readonly #lanes = new Map<AsyncLane, number>();
  readonly #place = new ThreadPlace({ filename: FILENAME, idleMs: Infinity, onIdleError: () => undefined });
  readonly #stopping = new AbortController();
  readonly #serving: Promise<void>;
  readonly #firstStart: Promise<void>;
  #tellStarted: () => void = () => undefined;
  #replacements = 0;
  #shortLives = 0;
  #failure: VfioError | undefined;

  constructor(private readonly settings: WorkerSettings) {
    this.#firstStart = new Promise((resolve) => {
      this.#tellStarted = resolve;
    });
    this.#serving = this.#serve();
  }

  /** As it stands now; 0 before a thread serves. */
  get lookingMicroseconds(): number {
    return Atomics.load(this.#control, WORKER.spin / 4);
  }

  /** How many of its threads died and were replaced. */
  get replacements(): number {
    return this.#replacements;
  }

  /** Why it was given up; all operations on its lanes are then answered with EOWNERDEAD. */
  get failure(): VfioError | undefined {
    return this.#failure;
  }

  /** The thread that serves now. */
  get thread(): Worker | undefined {
    return this.#place.thread;
  }

  /** Resolves when a thread serves. @throws EAGAIN, ENOMEM when none could be made, ERR_WORKER_DIED when it ended at once */
  async started(): Promise<void> {
    await Promise.race([this.#firstStart, this.#serving]);
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Gives a lane for the event loop: one that nobody uses, while there can be such, else the one that the fewest use. */
  lane(): AsyncLane {
    const [lane, users] = this.#leastUsed() ?? [new AsyncLane(this.handle, this.settings.laneCapacity), 0];
    this.#lanes.set(lane, users + 1);
    return lane;
  }

  /** Takes a lane back; it stays for who comes next. @returns false for a lane of another worker */
  giveLane(lane: AsyncLane): boolean {
    const users = this.#lanes.get(lane);
    if (users !== undefined) this.#lanes.set(lane, Math.max(0, users - 1));
    return users !== undefined;
  }

  /** @returns undefined where a new one is better */
  #leastUsed(): [AsyncLane, number] | undefined {
    let least: [AsyncLane, number] | undefined;
    for (const entry of this.#lanes) if (least === undefined || entry[1] < least[1]) least = entry;
    return least?.[1] === 0 || this.#lanes.size === MOST_LANES ? least : undefined;
  }

  /** Ends its lanes; what is under way is answered first, bounded by `timeoutMs`. */
  async closeLanes(timeoutMs: number): Promise<void> {
    await Promise.all([...this.#lanes.keys()].map((lane) => lane.close(timeoutMs)));
  }

  /** Has the thread return, and ends the worker when it is gone. Its lanes are closed before. */
  async close(): Promise<void> {
    this.#stopping.abort();
    addon.workerStop(this.handle);
    try {
      await this.#serving;
      await this.#place.end();
    } finally {
      addon.workerClose(this.handle);
    }
  }

  /** Runs thread after thread until told to stop, or until that leads to nothing. */
  async #serve(): Promise<void> {
    for (;;) {
      const { servedMs, error } = await this.#live();
      if (this.#stopping.signal.aborted) return;
      // What the dead thread had begun may have reached the device: it is answered, and never run again.
      addon.workerRecover(this.handle);
      this.#shortLives = (servedMs ?? 0) < LEAST_LIFE_MS ? this.#shortLives + 1 : 0;
      // A pool that cannot start says so at once.
      const neverServed = servedMs === undefined && this.#replacements === 0 && this.#shortLives === 1;
      if (neverServed || this.#shortLives >= MOST_SHORT_LIVES) return this.#giveUp(error);
      if (servedMs !== undefined) this.#replacements++;
      warn('an I/O worker died and is replaced', error);
      if (this.#shortLives > 0) await this.#pause(FIRST_PAUSE_MS * 2 ** (this.#shortLives - 1));
    }
  }

  #giveUp(error: VfioError): void {
    this.#failure = error;
    addon.workerFail(this.handle);
    warn('an I/O worker died too often and is given up', error);
  }

  async #pause(milliseconds: number): Promise<void> {
    await sleep(milliseconds, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
  }

  /** Has one thread serve until it ends. */
  async #live(): Promise<Life> {
    const { port1, port2 } = new MessageChannel();
    let since: number | undefined;
    port1.once('message', () => {
      since = performance.now();
      this.#tellStarted();
    });
    port1.unref();
    const { spinMicroseconds, cpus } = this.settings;
    const task: ServeTask = { worker: this.handle, spinMicroseconds, cpus, started: port2 };
    const error = deathOf(await this.#place.run(task, [port2]).catch((cause: unknown) => cause));
    port1.close();
    return { servedMs: since === undefined ? undefined : performance.now() - since, error };
  }
}

function deathOf(cause: unknown): VfioError {
  if (cause instanceof VfioError) return cause;
  return new VfioError('the thread of an I/O worker ended', { code: 'ERR_WORKER_DIED', cause });
}
