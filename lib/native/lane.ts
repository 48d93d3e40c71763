import type { ConnectionHandle, Fd, MappingHandle } from '../kernel/kernel.js';

/** A region in the addon's table (native/lane/region_table.h), valid on every thread of the process. */
export type RegionHandle = number;
/** A region's number in a lane or a program (native/lane/reach.h): an integer of 32 bits. */
export type RegionNumber = number;
/** A buffer's number in a lane or a program: an integer of 53 bits. */
export type BufferNumber = number;
/** The steps of a program and what they reach. It lives as long as this object, and stays on this thread. */
export type ProgramHandle = object;
/** A ring of operations (native/lane/lane.h). */
export type LaneHandle = number;
/** An I/O worker: the lanes that one thread serves (native/lane/io_worker.h). */
export type IoWorkerHandle = number;
/** An object of this thread's environment (native/lane/notifier.h). */
export type NotifierHandle = object;

/** Regions, accesses to them, and the lanes that I/O workers serve. Source: native/lane. */
export interface LaneAddon {
  /**
   * Adds a region to the table that all threads share. No handle is used twice.
   * @param size bytes
   * @param flags VFIO_REGION_INFO_FLAG_READ and _WRITE
   * @param fd the descriptor of the device for pread and pwrite, which is duplicated; -1 if there is a connection
   * @param connection a vfio-user connection; 0 if there is a descriptor
   * @param areas the mapped areas: offset and size in bytes, and the mapping, which the region keeps
   * @throws EBADF; EMFILE if 65,536 regions are open
   */
  regionCreate(
    size: number,
    flags: number,
    fd: Fd,
    connection: ConnectionHandle,
    fileOffset: bigint,
    regionIndex: number,
    areas: readonly (readonly [offset: number, size: number, mapping: MappingHandle])[],
  ): RegionHandle;
  /**
   * Removes a region, waits until no thread is inside, and puts 0xFF under its views.
   * @param leaveMs how long it waits for the threads, milliseconds, 0 to 30,000, the default
   * @returns undefined if no thread was inside
   * @throws EBADF; ETIMEDOUT (rejects) if a thread stayed inside: the region's file is closed when the thread has left
   */
  regionClose(region: RegionHandle, leaveMs?: number): Promise<void> | undefined;
  // Properties and not methods, because hot paths take these functions out of the addon.
  /**
   * Makes one checked access on this thread: a load or store if the region is mapped there, else a transfer.
   * @throws EBADF (no such region), EINVAL (alignment), ERANGE (outside), EACCES (flags), ENODATA (short), or the error of the
   *   transfer
   */
  readonly regionRead8: (region: RegionHandle, offset: number) => number;
  readonly regionRead16: (region: RegionHandle, offset: number) => number;
  readonly regionRead32: (region: RegionHandle, offset: number) => number;
  readonly regionRead64: (region: RegionHandle, offset: number) => bigint;
  readonly regionWrite64: (region: RegionHandle, offset: number, value: bigint) => void;
  /**
   * The arguments of the writes below, because Node-API needs 2 ns and more to pass an argument. Bytes 0 to 7 are the handle of the
   * region, 8 to 15 the offset, both float64; 16 to 19 are the value, u32. This thread's alone: store all three, then call.
   */
  readonly writeArguments: ArrayBuffer;
  readonly regionWrite8: () => void;
  readonly regionWrite16: () => void;
  readonly regionWrite32: () => void;
  /** Makes a barrier, then a write. */
  readonly regionDoorbell32: () => void;
  /** Orders all memory accesses before it with those after it, also on device memory. */
  barrier(): void;
  /**
   * Runs a program's slots in order on this thread until one fails; the slots after it get ECANCELED. Returns after 4096 slots and
   * after 50 ms of polling, so that the thread can still be terminated.
   * @param ran how many slots earlier calls ran; default 0
   * @returns how many slots have run, with the failed one; its bitwise complement, below 0, if the program has not ended
   */
  readonly programRun: (program: ProgramHandle, count: number, ran?: number) => number;

  /** Makes a program of slots (lib/layout/slot.ts), which keeps the memory. It reaches nothing yet. */
  programCreate(slots: SharedArrayBuffer): ProgramHandle;

  /**
   * Gives a region to a lane or a program, whose slots then name it by the returned number. No number is given twice.
   * @param region a handle; that of a closed region, too
   * @throws EBADF (no such lane); ENFILE if it was given 65,536 regions that are open, or 2^32 regions
   */
  reachAddRegion(owner: LaneHandle | ProgramHandle, region: RegionHandle): RegionNumber;
  /** Takes a region away, if that was not done. An operation that has begun goes on. @throws EBADF if it was never given */
  reachRemoveRegion(owner: LaneHandle | ProgramHandle, region: RegionNumber): void;
  /**
   * Gives a buffer to a lane or a program, which keeps its memory. The steps of a program reach what the program was given; the
   * steps in any other buffer reach what the lane was given that runs them.
   * @throws EBADF (no such lane); ENFILE if it was given 262,144 buffers
   */
  reachAddBuffer(owner: LaneHandle | ProgramHandle, buffer: SharedArrayBuffer | ProgramHandle): BufferNumber;
  /** Takes a buffer away. An operation that has begun goes on. @throws EBADF */
  reachRemoveBuffer(owner: LaneHandle | ProgramHandle, buffer: BufferNumber): void;

  /** Makes a lane of `capacity` slots, a power of two from 2 to 65,536. */
  laneCreate(capacity: number): LaneHandle;
  /** Returns the memory of a lane: lib/layout/lane.ts. */
  laneView(lane: LaneHandle): SharedArrayBuffer;
  /** Closes the handle. A worker that serves the lane keeps it until the lane is removed from it. */
  laneClose(lane: LaneHandle): void;
  /** Polls until the completed index differs from `seen`, at most `looks` times. @returns whether it changed */
  laneSpin(lane: LaneHandle, seen: number, looks: number): boolean;
  /** Sleeps until the completed index differs from `seen`. Blocks: for worker threads only. */
  laneWait(lane: LaneHandle, seen: number, timeoutMicroseconds: number): void;
  /** Sets the notifier that the worker signals when operations complete and the notify word of the lane is set. */
  laneSetNotifier(lane: LaneHandle, notifier: NotifierHandle): void;
  /** Makes a notifier: it calls back on this thread's event loop, once for several signals. It does not keep the loop alive. */
  notifierCreate(callback: () => void): NotifierHandle;
  /** Makes a notifier keep the event loop alive, or not. */
  notifierSetRef(notifier: NotifierHandle, ref: boolean): void;
  /** Closes a notifier: it does not call back any more. */
  notifierClose(notifier: NotifierHandle): void;

  /** Returns the CPUs that the calling thread may run on, ascending. */
  threadCpus(): number[];
  /** Binds the calling thread to CPUs, 0 to 8191. @throws EINVAL if the process may use none of them */
  threadSetCpus(cpus: readonly number[]): void;
  /** Checks CPUs as `threadSetCpus` does, without a change. @throws EINVAL */
  cpusCheck(cpus: readonly number[]): void;

  /** Makes an I/O worker without a thread. */
  workerCreate(): IoWorkerHandle;
  /** Returns the control block of a worker: lib/layout/lane.ts. */
  workerView(worker: IoWorkerHandle): SharedArrayBuffer;
  /**
   * Serves the lanes of a worker on this thread. Blocks. Returns at once if the thread's event loop has something to do, such as
   * the termination of the thread: within 1 ms while it serves, within 25 ms while it sleeps.
   * @param maxMilliseconds after this time it returns
   * @param spinMicroseconds how long it polls for work before it sleeps
   * @returns false after `workerStop`
   * @throws EBUSY if another thread serves
   */
  workerServe(worker: IoWorkerHandle, maxMilliseconds: number, spinMicroseconds: number): boolean;
  /** Adds a lane to a worker. */
  workerAddLane(worker: IoWorkerHandle, lane: LaneHandle): void;
  /** Removes a lane from a worker. Resolves when the worker no longer uses it. */
  workerRemoveLane(worker: IoWorkerHandle, lane: LaneHandle): Promise<void>;
  /** Wakes a worker that sleeps. */
  workerWake(worker: IoWorkerHandle): void;
  /** Makes `workerServe` return false. */
  workerStop(worker: IoWorkerHandle): void;
  /** Completes the operation that a dead thread had begun with EOWNERDEAD. Call it after the thread died. */
  workerRecover(worker: IoWorkerHandle): void;
  /** Completes all operations, and all later ones, with EOWNERDEAD. Call it when no thread will serve the worker again. */
  workerFail(worker: IoWorkerHandle): void;
  /** Closes the handle of a worker. */
  workerClose(worker: IoWorkerHandle): void;
}
