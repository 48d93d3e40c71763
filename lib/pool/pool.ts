import { types } from 'node:util';
import type { Worker } from 'node:worker_threads';

import { argumentError, requireInteger } from '../base/arguments.js';
import { VfioError } from '../base/errors.js';
import type { AsyncLane } from '../lane/async-lane.js';
import { createLane, destroyLane, type LaneDescriptor, requireLaneDescriptor } from '../lane/descriptor.js';
import { addon } from '../native/addon.js';
import type { BufferNumber, RegionNumber } from '../native/lane.js';
import { type RegionDescriptor, requireDescriptor } from '../region/descriptor.js';
import { throwFirst, Unwinding } from '../base/unwinding.js';
import type { DriverTask } from './driver-task.js';
import { DriverThreads } from './driver-threads.js';
import { IoWorker } from './io-worker.js';
import { poolSettings, type PoolOptions, type PoolSettings } from './options.js';

/** How long closing the pool waits for the operations under way. */
const CLOSE_MS = 10_000;

/**
 * The threads that access devices: I/O workers, which serve lanes, and threads for driver functions.
 * Thread: the one that started it, with an event loop.
 */
export class WorkerPool {
  /** The options of `start`, with the defaults filled in. */
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
   * Starts a pool and its I/O workers. Threads of driver functions are started when they are needed.
   * @throws (rejects) ERR_INVALID_ARGUMENT if an option is out of range; EINVAL if this process may use none of a worker's
   * CPUs; ENODEV if the machine does not have the NUMA node; EAGAIN or ENOMEM if a thread cannot be started;
   * ERR_WORKER_DIED if a thread ended before it served
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

  /** Number of I/O workers. */
  get workers(): number {
    return this.#workers.length;
  }

  /** How long each worker now looks for work before it sleeps, 0 to `spinMicroseconds`, microseconds. */
  get lookingMicroseconds(): number[] {
    return this.#workers.map((worker) => worker.lookingMicroseconds);
  }

  /** @internal The threads that run now, for tests that terminate them. */
  get threads(): readonly Worker[] {
    return [...this.#workers.flatMap((worker) => worker.thread ?? []), ...this.#drivers.threads];
  }

  /** How many threads of I/O workers died and were replaced. */
  get replacedWorkers(): number {
    return this.#workers.reduce((count, worker) => count + worker.replacements, 0);
  }

  /**
   * @internal Returns a lane for this thread's event loop, on the next worker in turn. A device keeps its lane, so that its
   * operations stay in order. The first 16 devices of a worker have a lane each; further ones share them.
   * @throws ERR_CLOSED if the pool is closed; ERR_WORKER_DIED if all workers were given up
   */
  lane(): AsyncLane {
    return this.#nextWorker().lane();
  }

  /** @internal Returns the thread that serves a lane of `lane()` now; undefined between two threads. */
  threadOf(lane: AsyncLane): Worker | undefined {
    return this.#workers.find((worker) => worker.has(lane))?.thread;
  }

  /** @internal Takes back a lane of `lane()` and keeps it for the next device. */
  giveLane(lane: AsyncLane): void {
    this.#workers.some((worker) => worker.giveLane(lane));
  }

  /**
   * Creates a lane for a producer on another thread, which opens it by `new SyncLane(descriptor)` or
   * `new LaneProducer(descriptor)`. The lane reaches nothing before `addRegion`.
   * @throws ERR_CLOSED if the pool is closed; ERR_WORKER_DIED if all workers were given up
   */
  createLane(): LaneDescriptor {
    const descriptor = createLane(this.#nextWorker().handle, this.settings.laneCapacity);
    this.#descriptors.add(descriptor);
    return descriptor;
  }

  /**
   * Lets a lane reach a region. A lane reaches no other regions, whatever its producer writes.
   * @param descriptor what `createLane` returned
   * @param region a `Region`, or a `RegionAccess`
   * @returns the region's number in this lane, which its operations name; no other region gets this number
   * @throws ERR_INVALID_ARGUMENT; EBADF if the lane is closed; ENFILE if it reaches 65,536 regions, or was given 2^32
   */
  addRegion(descriptor: LaneDescriptor, region: { readonly descriptor: RegionDescriptor }): RegionNumber {
    requireLaneDescriptor(descriptor);
    requireDescriptor(region?.descriptor);
    return addon.reachAddRegion(descriptor.lane, region.descriptor.handle);
  }

  /**
   * Takes a region away from a lane, if that was not done. An operation that has begun goes on, later ones are answered with
   * EBADF. The regions of a device that was detached need not be taken away.
   * @param number what `addRegion` returned
   * @throws ERR_INVALID_ARGUMENT; EBADF if the lane is closed, or never gave this number
   */
  removeRegion(descriptor: LaneDescriptor, number: RegionNumber): void {
    requireLaneDescriptor(descriptor);
    requireInteger('number', number, 0, 0xffff_ffff);
    addon.reachRemoveRegion(descriptor.lane, number);
  }

  /**
   * Lets the copies of a lane reach a buffer, and keeps the buffer's memory until `removeBuffer` or `closeLane`.
   * @param descriptor what `createLane` returned
   * @returns the buffer's number in this lane, which its operations name; no other buffer gets this number
   * @throws ERR_INVALID_ARGUMENT; EBADF if the lane is closed; ENFILE if it reaches 262,144 buffers
   */
  addBuffer(descriptor: LaneDescriptor, buffer: SharedArrayBuffer): BufferNumber {
    requireLaneDescriptor(descriptor);
    if (!types.isSharedArrayBuffer(buffer)) throw argumentError('buffer', 'a SharedArrayBuffer', buffer);
    return addon.reachAddBuffer(descriptor.lane, buffer);
  }

  /**
   * Takes a buffer away from a lane. An operation that has begun goes on, later ones are answered with EBADF.
   * @param number what `addBuffer` returned
   * @throws ERR_INVALID_ARGUMENT; EBADF if the lane is closed, or has no buffer of this number
   */
  removeBuffer(descriptor: LaneDescriptor, number: BufferNumber): void {
    requireLaneDescriptor(descriptor);
    requireInteger('number', number, 0);
    addon.reachRemoveBuffer(descriptor.lane, number);
  }

  /** Closes a lane of `createLane`, which its producer must not use any more. Does nothing if it is closed already. */
  async closeLane(descriptor: LaneDescriptor): Promise<void> {
    if (!this.#descriptors.delete(descriptor)) return;
    await destroyLane(descriptor);
  }

  /**
   * Runs a driver function of the user on a thread of its own, as soon as fewer than `drivers` functions run.
   * `Device.runDriver` fills in the task.
   * @param task the function's module, regions, buffers and arguments
   * @param signal terminates the function's thread
   * @returns what the function returned; structured clone copied it
   * @throws (rejects) what the function threw: a VfioError whole, another error as structured clone copies it, with its
   * code; ERR_INVALID_ARGUMENT if `task` or `signal` is wrong, or if structured clone cannot copy the arguments or the
   * returned value; ERR_ABORTED; ERR_WORKER_DIED if the thread ended before the function did; EAGAIN or ENOMEM if the thread
   * cannot be started; ERR_NOT_SUPPORTED if the pool has no drivers; ERR_CLOSED if the pool is closed
   */
  async runDriver(task: DriverTask, signal?: AbortSignal): Promise<unknown> {
    this.#requireOpen();
    return this.#drivers.run(task, signal);
  }

  /**
   * Closes the pool: cancels all operations, answers them, and ends all threads. A second call waits for the first.
   * @throws (rejects) the first error; all other steps are done all the same
   */
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
    // Every step runs, even after a failure: a native worker that is not closed stays until the process ends.
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
    const hint = 'create a new engine or pool; the cause tells how the last thread ended';
    const cause = this.#workers[0]?.failure;
    throw new VfioError('all I/O workers of the pool were given up', { code: 'ERR_WORKER_DIED', hint, cause });
  }

  #requireOpen(): void {
    if (this.#closing !== undefined) throw new VfioError('the pool is closed', { code: 'ERR_CLOSED' });
  }
}
