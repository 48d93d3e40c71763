import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Worker } from 'node:worker_threads';

import { Piscina } from 'piscina';

import { deserializeError, isSerializedError, VfioError } from '../errors.js';
import { AsyncLane } from '../lane/async-lane.js';
import { createLane, destroyLane, type LaneDescriptor } from '../lane/producer.js';
import { addon } from '../native/addon.js';
import type { DriverTask } from './driver-task.js';
import { IoWorker } from './io-worker.js';
import { poolSettings, type PoolOptions, type PoolSettings } from './options.js';

const DRIVER_HOST = fileURLToPath(new URL('../../workers/driver-host.js', import.meta.url));
const IO_WORKER = fileURLToPath(new URL('../../workers/io-worker.js', import.meta.url));
/** How long operations under way may take when the pool closes. */
const CLOSE_MS = 10_000;

/**
 * The threads that touch devices: I/O workers that drain lanes, and threads for driver functions.
 * Thread: the one that made it, with an event loop.
 */
export class WorkerPool {
  readonly settings: PoolSettings;
  readonly #threads: Piscina;
  readonly #workers: IoWorker[] = [];
  readonly #lanes: AsyncLane[] = [];
  readonly #descriptors = new Set<LaneDescriptor>();
  #next = 0;
  #closing: Promise<void> | undefined;

  private constructor(settings: PoolSettings) {
    this.settings = settings;
    this.#threads = new Piscina({
      filename: IO_WORKER,
      minThreads: settings.workers,
      maxThreads: settings.workers + settings.drivers,
      concurrentTasksPerWorker: 1,
      idleTimeout: 1000,
      // An idle worker blocked in Atomics.wait would stall what its event loop watches.
      atomics: 'disabled',
    });
  }

  /** Starts a pool. @throws ERR_INVALID_ARGUMENT; EINVAL, ENODEV for CPUs and nodes that cannot be had */
  static async start(options: PoolOptions = {}): Promise<WorkerPool> {
    const pool = new WorkerPool(poolSettings(options));
    try {
      for (let i = 0; i < pool.settings.workers; i++) {
        const { spinMicroseconds, placement } = pool.settings;
        const worker = new IoWorker(pool.#threads, { spinMicroseconds, cpus: placement[i] });
        pool.#workers.push(worker);
        pool.#lanes.push(new AsyncLane(worker.handle, pool.settings.laneCapacity));
      }
      await Promise.all(pool.#workers.map((worker) => worker.started()));
    } catch (error) {
      await pool.close();
      throw error;
    }
    return pool;
  }

  /** How many I/O workers there are. */
  get workers(): number {
    return this.#workers.length;
  }

  /** How long each worker now looks for work before it sleeps, microseconds: between 0 and `spinMicroseconds`, as it pays. */
  get lookingMicroseconds(): number[] {
    return this.#workers.map((worker) => worker.lookingMicroseconds);
  }

  /** @internal The threads that run now, for tests that end them. */
  get threads(): readonly Worker[] {
    return this.#threads.threads;
  }

  /** How many workers died and were replaced. */
  get replacedWorkers(): number {
    return this.#workers.reduce((count, worker) => count + worker.replacements, 0);
  }

  /** Gives the event loop's lane on one of the workers, taking turns. A device keeps one, so that its operations stay in order. */
  lane(): AsyncLane {
    this.#requireOpen();
    const lane = this.#lanes[this.#next % this.#lanes.length] as AsyncLane;
    this.#next++;
    return lane;
  }

  /** Makes a lane for a producer on another thread, to be opened there by `new SyncLane(descriptor)`. */
  createLane(): LaneDescriptor {
    this.#requireOpen();
    const worker = this.#workers[this.#next++ % this.#workers.length] as IoWorker;
    const descriptor = createLane(worker.handle, this.settings.laneCapacity);
    this.#descriptors.add(descriptor);
    return descriptor;
  }

  /** Ends a lane of `createLane`, once its producer is done. */
  async closeLane(descriptor: LaneDescriptor): Promise<void> {
    if (!this.#descriptors.delete(descriptor)) return;
    await destroyLane(descriptor);
  }

  /**
   * Runs a driver function of the user's on a thread of its own.
   * @returns what it returned, structured-cloned
   * @throws what it threw, with class and code; ERR_ABORTED, ERR_WORKER_DIED when its thread ended under it
   */
  async runDriver(task: DriverTask, signal?: AbortSignal): Promise<unknown> {
    this.#requireOpen();
    let answer: unknown;
    try {
      answer = await this.#threads.run(task, { filename: DRIVER_HOST, ...(signal === undefined ? {} : { signal }) });
    } catch (cause) {
      if (signal?.aborted) throw new VfioError('the driver function was stopped', { code: 'ERR_ABORTED', cause });
      throw new VfioError('the thread of the driver function ended', { code: 'ERR_WORKER_DIED', cause });
    }
    const { error, value } = answer as { error?: unknown; value?: unknown };
    if (isSerializedError(error)) throw deserializeError(error);
    return value;
  }

  /** Ends all threads. What is under way is answered; a second call waits for the first. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await Promise.all(this.#lanes.map((lane) => lane.close(CLOSE_MS)));
    await Promise.all([...this.#descriptors].map((descriptor) => this.closeLane(descriptor)));
    for (const worker of this.#workers) worker.stop();
    const exits = this.#threads.threads.map((thread) => once(thread, 'exit'));
    await this.#threads.destroy();
    await Promise.all(exits);
    await Promise.all(this.#workers.map((worker) => worker.ended()));
    for (const worker of this.#workers) addon.workerClose(worker.handle);
  }

  #requireOpen(): void {
    if (this.#closing !== undefined) throw new VfioError('the pool is closed', { code: 'ERR_CLOSED' });
  }
}
