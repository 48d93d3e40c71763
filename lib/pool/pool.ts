import type { Worker } from 'node:worker_threads';

import { VfioError } from '../base/errors.js';
import type { AsyncLane } from '../lane/async-lane.js';
import { createLane, destroyLane, type LaneDescriptor } from '../lane/producer.js';
import { throwFirst, Unwinding } from '../base/unwinding.js';
import type { DriverTask } from './driver-task.js';
import { DriverThreads } from './drivers.js';
import { IoWorker } from './io-worker.js';
import { poolSettings, type PoolOptions, type PoolSettings } from './options.js';

/** How long operations under way may take when the pool closes. */
const CLOSE_MS = 10_000;

/**
 * The threads that touch devices: I/O workers that drain lanes, and threads for driver functions.
 * Thread: the one that made it, with an event loop.
 */
export class WorkerPool {
  readonly settings: PoolSettings;
  readonly #workers: IoWorker[] = [];
  readonly #drivers: DriverThreads;
  readonly #descriptors = new Set<LaneDescriptor>();
  #next = 0;
  #closing: Promise<void> | undefined;

  private constructor(settings: PoolSettings) {
    this.settings = settings;
    this.#drivers = new DriverThreads(settings.drivers);
  }

  /**
   * Starts a pool.
   * @throws ERR_INVALID_ARGUMENT; EINVAL, ENODEV for CPUs and nodes that cannot be had; EAGAIN, ENOMEM when no thread can
   *   be made, ERR_WORKER_DIED when one ended at once
   */
  static async start(options: PoolOptions = {}): Promise<WorkerPool> {
    const pool = new WorkerPool(poolSettings(options));
    const undo = new Unwinding();
    undo.push(() => pool.close());
    try {
      for (let i = 0; i < pool.settings.workers; i++) {
        const { spinMicroseconds, placement, laneCapacity } = pool.settings;
        pool.#workers.push(new IoWorker({ spinMicroseconds, laneCapacity, cpus: placement[i] }));
      }
      await Promise.all(pool.#workers.map((worker) => worker.started()));
    } catch (error) {
      throw await undo.failed(error);
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
    return [...this.#workers.flatMap((worker) => worker.thread ?? []), ...this.#drivers.threads];
  }

  /** How many workers died and were replaced. */
  get replacedWorkers(): number {
    return this.#workers.reduce((count, worker) => count + worker.replacements, 0);
  }

  /**
   * Gives a lane of the event loop's on one of the workers, taking turns. A device keeps one, so that its operations stay in
   * order; 16 devices of a worker have one each, so that none waits for another's. Give it back by `giveLane`.
   * @throws ERR_CLOSED, ERR_WORKER_DIED when all workers were given up
   */
  lane(): AsyncLane {
    return this.#nextWorker().lane();
  }

  /** Takes a lane of `lane` back when its device is detached; it stays for the next device. */
  giveLane(lane: AsyncLane): void {
    this.#workers.some((worker) => worker.giveLane(lane));
  }

  /** Makes a lane for a producer on another thread, to be opened there by `new SyncLane(descriptor)`. @throws as `lane` */
  createLane(): LaneDescriptor {
    const descriptor = createLane(this.#nextWorker().handle, this.settings.laneCapacity);
    this.#descriptors.add(descriptor);
    return descriptor;
  }

  /** Ends a lane of `createLane`, once its producer is done. */
  async closeLane(descriptor: LaneDescriptor): Promise<void> {
    if (!this.#descriptors.delete(descriptor)) return;
    await destroyLane(descriptor);
  }

  /**
   * Runs a driver function of the user's on a thread of its own, once fewer than `drivers` run.
   * @returns what it returned, structured-cloned
   * @throws what it threw: a VfioError whole, of others what structured clone keeps and the code; ERR_INVALID_ARGUMENT for
   *   arguments, an answer or a signal that cannot be; ERR_ABORTED; ERR_WORKER_DIED when its thread ended under it; EAGAIN,
   *   ENOMEM when no thread can be made; ERR_NOT_SUPPORTED for a pool of no drivers; ERR_CLOSED
   */
  async runDriver(task: DriverTask, signal?: AbortSignal): Promise<unknown> {
    this.#requireOpen();
    return this.#drivers.run(task, signal);
  }

  /** Ends all threads. What is under way is answered; a second call waits for the first. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const steps = [
      () => this.#workers.map((worker) => worker.closeLanes(CLOSE_MS)),
      () => [...this.#descriptors].map((descriptor) => this.closeLane(descriptor)),
      () => [this.#drivers.close(), ...this.#workers.map((worker) => worker.close())],
    ];
    const failures: unknown[] = [];
    // All of them, whatever fails: a native worker that stays would be there until the process ends.
    for (const step of steps) {
      for (const end of await Promise.allSettled(step())) if (end.status === 'rejected') failures.push(end.reason);
    }
    throwFirst(failures);
  }

  #nextWorker(): IoWorker {
    this.#requireOpen();
    const living = this.#workers.filter((worker) => worker.failure === undefined);
    const worker = living[this.#next++ % living.length];
    if (worker !== undefined) return worker;
    const hint = 'make a new engine; the cause says how the last thread ended';
    const cause = this.#workers[0]?.failure;
    throw new VfioError('all I/O workers of the pool were given up', { code: 'ERR_WORKER_DIED', hint, cause });
  }

  #requireOpen(): void {
    if (this.#closing !== undefined) throw new VfioError('the pool is closed', { code: 'ERR_CLOSED' });
  }
}
