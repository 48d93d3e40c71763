import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Worker } from 'node:worker_threads';

import { warn } from '../base/diagnostics.js';
import { systemErrorOf, VfioError } from '../base/errors.js';
import { AsyncLane } from '../lane/async-lane.js';
import { WORKER } from '../layout/lane.js';
import { addon } from '../native/addon.js';
import type { IoWorkerHandle } from '../native/lane.js';
import { TaskThread } from './task-thread.js';

/** How the thread of an I/O worker serves its lanes. */
interface ServeSettings {
  /** How long it looks for work at most before it sleeps, microseconds. */
  readonly spinMicroseconds: number;
  /** The CPUs that the thread may run on; undefined for all. */
  readonly cpus?: readonly number[] | undefined;
}

/** The settings of an I/O worker. */
export interface WorkerSettings extends ServeSettings {
  /** Slots of each lane, a power of two. */
  readonly laneCapacity: number;
}

/** What the thread of an I/O worker gets. Structured clone copies it. */
export interface ServeTask extends ServeSettings {
  /** The worker to serve. */
  readonly worker: IoWorkerHandle;
}

/** How one thread of a worker ended. */
interface ThreadLife {
  /** How long it served, milliseconds; undefined if it never did. */
  readonly servedMs: number | undefined;
  readonly error: VfioError;
}

const IO_WORKER = fileURLToPath(new URL('../../workers/io-worker.js', import.meta.url));
/** A thread that serves for less than this has a short life. */
const SHORT_LIFE_MS = 200;
/** A worker is given up after this number of short lives in a row. */
const MOST_SHORT_LIVES = 5;
/** The pause after the first short life; it doubles with each further one. */
const FIRST_PAUSE_MS = 50;
/** How many lanes a worker has for event loops; more devices share them. A lane of default capacity takes 64 KiB. */
const MOST_LANES = 16;

/**
 * An I/O worker: a set of lanes and the thread that serves them. The lanes outlive the thread, which is replaced if it dies.
 * Thread: the pool's.
 */
export class IoWorker {
  /** The worker's handle in the addon. */
  readonly handle: IoWorkerHandle = addon.workerCreate();
  readonly #control = new Int32Array(addon.workerView(this.handle));
  /** The lanes for event loops, with the number of users of each. */
  readonly #lanes = new Map<AsyncLane, number>();
  readonly #thread = new TaskThread({
    filename: IO_WORKER,
    idleMs: Infinity,
    onIdleError: (error) => (this.#death = error),
  });
  /** What ended the thread while it served. */
  #death: unknown;
  readonly #stopping = new AbortController();
  readonly #serving: Promise<void>;
  readonly #firstStart: Promise<void>;
  #reportStarted: () => void = () => undefined;
  #replacements = 0;
  #shortLives = 0;
  #failure: VfioError | undefined;

  /** Starts the worker's first thread. */
  constructor(private readonly settings: WorkerSettings) {
    this.#firstStart = new Promise((resolve) => {
      this.#reportStarted = resolve;
    });
    this.#serving = this.#serve();
  }

  /** How long the worker now looks for work before it sleeps, microseconds. 0 before a thread serves. */
  get lookingMicroseconds(): number {
    return Atomics.load(this.#control, WORKER.spin / 4);
  }

  /** How many threads died and were replaced. */
  get replacements(): number {
    return this.#replacements;
  }

  /** Why the worker was given up; undefined while it works. Its lanes then answer all operations with EOWNERDEAD. */
  get failure(): VfioError | undefined {
    return this.#failure;
  }

  /** The thread that serves now; undefined between two threads. */
  get thread(): Worker | undefined {
    return this.#thread.thread;
  }

  /**
   * Resolves when the first thread serves.
   * @throws (rejects) EAGAIN or ENOMEM if the thread could not be started; ERR_WORKER_DIED if it ended before it served
   */
  async started(): Promise<void> {
    await Promise.race([this.#firstStart, this.#serving]);
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Returns an unused lane for an event loop. If all lanes are used, returns the one with the fewest users. */
  lane(): AsyncLane {
    const [lane, users] = this.#leastUsed() ?? [new AsyncLane(this.handle, this.settings.laneCapacity), 0];
    this.#lanes.set(lane, users + 1);
    return lane;
  }

  /** Tells whether a lane of `lane()` is this worker's. */
  has(lane: AsyncLane): boolean {
    return this.#lanes.has(lane);
  }

  /** Takes back a lane of `lane()` and keeps it open for the next user. @returns false if the lane is another worker's */
  giveLane(lane: AsyncLane): boolean {
    const users = this.#lanes.get(lane);
    if (users === undefined) return false;
    if (users <= 1 && lane.spent) this.#replaceLane(lane);
    else this.#lanes.set(lane, Math.max(0, users - 1));
    return true;
  }

  /** Closes a lane that is about to have no number left for another region. The next user gets a new lane. */
  #replaceLane(lane: AsyncLane): void {
    this.#lanes.delete(lane);
    lane.close(0).catch((error: unknown) => warn('closing a lane failed', error));
  }

  /** Finds the lane with the fewest users. @returns undefined if a new lane should be created instead */
  #leastUsed(): [AsyncLane, number] | undefined {
    let least: [AsyncLane, number] | undefined;
    for (const entry of this.#lanes) if (least === undefined || entry[1] < least[1]) least = entry;
    return least?.[1] === 0 || this.#lanes.size === MOST_LANES ? least : undefined;
  }

  /** Closes the worker's lanes for event loops; see `AsyncLane.close`. @param timeoutMs milliseconds */
  async closeLanes(timeoutMs: number): Promise<void> {
    await Promise.all([...this.#lanes.keys()].map((lane) => lane.close(timeoutMs)));
  }

  /** Stops the thread and closes the worker. The caller has closed the lanes. */
  async close(): Promise<void> {
    this.#stopping.abort();
    addon.workerStop(this.handle);
    try {
      await this.#thread.end();
      await this.#serving;
    } finally {
      addon.workerClose(this.handle);
    }
  }

  /** Runs one thread after another, until the worker is closed or given up. */
  async #serve(): Promise<void> {
    for (;;) {
      const { servedMs, error } = await this.#serveOnce();
      if (this.#stopping.signal.aborted) return;
      // The operation that the dead thread had begun may have reached the device: it is answered and never runs again.
      addon.workerRecover(this.handle);
      this.#shortLives = (servedMs ?? 0) < SHORT_LIFE_MS ? this.#shortLives + 1 : 0;
      // A pool that cannot start reports this at once.
      const neverServed = servedMs === undefined && this.#replacements === 0 && this.#shortLives === 1;
      if (neverServed || this.#shortLives >= MOST_SHORT_LIVES) return this.#giveUp(error);
      if (servedMs !== undefined) this.#replacements++;
      warn('the thread of an I/O worker died and is replaced', error);
      if (this.#shortLives > 0) await this.#pause(FIRST_PAUSE_MS * 2 ** (this.#shortLives - 1));
      if (this.#stopping.signal.aborted) return;
    }
  }

  #giveUp(error: VfioError): void {
    this.#failure = error;
    addon.workerFail(this.handle);
    warn('the threads of an I/O worker died too often, and the worker is given up', error);
  }

  async #pause(milliseconds: number): Promise<void> {
    await sleep(milliseconds, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
  }

  /**
   * Has one thread serve until it ends. Its task returns as soon as it serves: a task under way would keep the process
   * alive, and a worker does so only while an operation waits for its answer.
   */
  async #serveOnce(): Promise<ThreadLife> {
    const { spinMicroseconds, cpus } = this.settings;
    this.#death = undefined;
    try {
      await this.#thread.run({ worker: this.handle, spinMicroseconds, cpus } satisfies ServeTask);
    } catch (cause) {
      return { servedMs: undefined, error: threadDeath(systemErrorOf(cause)) };
    }
    const since = performance.now();
    this.#reportStarted();
    await this.#thread.ended();
    return { servedMs: performance.now() - since, error: threadDeath(this.#death) };
  }
}

function threadDeath(cause: unknown): VfioError {
  if (cause instanceof VfioError) return cause;
  return new VfioError('the thread of an I/O worker ended while it served', { code: 'ERR_WORKER_DIED', cause });
}
