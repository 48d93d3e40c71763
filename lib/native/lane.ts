import type { ConnectionHandle, Fd, MappingHandle } from '../kernel/kernel.js';

/** A region in the addon's table (native/lane/region_table.h), valid on every thread of the process. */
export type RegionHandle = number;
/** A buffer that workers copy to and from (native/lane/dma_buffer.h). */
export type BufferHandle = number;
/** A ring of operations (native/lane/lane.h). */
export type LaneHandle = number;
/** What one I/O worker thread serves (native/lane/io_worker.h). */
export type IoWorkerHandle = number;
/** An object of this thread's environment (native/lane/notifier.h). */
export type NotifierHandle = object;

/** Source: native/lane. The region path: the table of regions, accesses, and the lanes that workers drain. */
export interface LaneAddon {
  /**
   * Makes a region known to every thread.
   * @param size bytes
   * @param flags VFIO_REGION_INFO_FLAG_READ and _WRITE
   * @param fd the device's file for pread and pwrite (duplicated), or -1
   * @param connection a vfio-user connection instead, or 0
   * @param areas what is mapped: offset and size in bytes, and the mapping, which the region keeps
   * @throws EBADF, EMFILE with 65,536 regions open
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
  /** Takes it away, waits until no thread is inside, lets the device's memory go (0xFF under the views). @throws EBADF */
  regionClose(region: RegionHandle): Promise<void> | undefined;
  // Properties and not methods, because hot paths take these functions out of the addon.
  /**
   * One checked access on this thread: a load or store where the region is mapped, else a transfer.
   * @throws EBADF (no such region), EINVAL (alignment), ERANGE (outside), EACCES (flags), ENODATA (short), the transfer's
   */
  readonly regionRead8: (region: RegionHandle, offset: number) => number;
  readonly regionRead16: (region: RegionHandle, offset: number) => number;
  readonly regionRead32: (region: RegionHandle, offset: number) => number;
  readonly regionRead64: (region: RegionHandle, offset: number) => bigint;
  readonly regionWrite8: (region: RegionHandle, offset: number, value: number) => void;
  readonly regionWrite16: (region: RegionHandle, offset: number, value: number) => void;
  readonly regionWrite32: (region: RegionHandle, offset: number, value: number) => void;
  readonly regionWrite64: (region: RegionHandle, offset: number, value: bigint) => void;
  /** A barrier and a write. */
  readonly regionDoorbell32: (region: RegionHandle, offset: number, value: number) => void;
  /** Orders all memory accesses before it with those after it, on device memory too. */
  barrier(): void;
  /**
   * Runs slots (lib/layout/slot.ts) in order on this thread until one fails; those after it get ECANCELED. It comes back after
   * 4096 of them, and after 50 ms of polling, so that a thread that is to end ends.
   * @param ran how many ran before; 0 when it is left out
   * @returns how many have run, the failed one included; the complement of it, below 0, when the program has not ended
   */
  readonly programRun: (slots: Uint8Array, count: number, ran?: number) => number;

  /** Makes a buffer's memory known to every thread and keeps it until bufferClose. */
  bufferRegister(buffer: SharedArrayBuffer): BufferHandle;
  bufferClose(buffer: BufferHandle): void;

  /** Makes a lane of `capacity` slots, a power of two from 2 to 65,536. */
  laneCreate(capacity: number): LaneHandle;
  laneView(lane: LaneHandle): SharedArrayBuffer;
  /** Drops the handle; a worker that serves the lane keeps it until it is removed. */
  laneClose(lane: LaneHandle): void;
  /** Looks until the completed index is no longer `seen`, `looks` times at most. @returns whether it changed */
  laneSpin(lane: LaneHandle, seen: number, looks: number): boolean;
  /** Sleeps until the completed index is no longer `seen`. Blocks: for worker threads. */
  laneWait(lane: LaneHandle, seen: number, timeoutMicroseconds: number): void;
  /** Has the worker call back here when operations complete and the lane's notify word is set. */
  laneSetNotifier(lane: LaneHandle, notifier: NotifierHandle): void;
  /** Calls back on this thread's event loop, once for any number of signals; does not keep the loop alive. */
  notifierCreate(callback: () => void): NotifierHandle;
  notifierSetRef(notifier: NotifierHandle, ref: boolean): void;
  notifierClose(notifier: NotifierHandle): void;

  /** The CPUs that the calling thread may run on, ascending. */
  threadCpus(): number[];
  /** Keeps the calling thread on CPUs, 0 to 8191. @throws EINVAL where the process may use none of them */
  threadSetCpus(cpus: readonly number[]): void;
  /** Throws what `threadSetCpus` would; changes nothing. */
  cpusCheck(cpus: readonly number[]): void;

  workerCreate(): IoWorkerHandle;
  workerView(worker: IoWorkerHandle): SharedArrayBuffer;
  /**
   * Serves the worker's lanes on this thread for `maxMilliseconds`, spinning `spinMicroseconds` before it sleeps.
   * @returns false when it was told to stop. @throws EBUSY when another thread serves
   */
  workerServe(worker: IoWorkerHandle, maxMilliseconds: number, spinMicroseconds: number): boolean;
  workerAddLane(worker: IoWorkerHandle, lane: LaneHandle): void;
  /** Resolves when the worker is outside of the lane and stays so. */
  workerRemoveLane(worker: IoWorkerHandle, lane: LaneHandle): Promise<void>;
  workerWake(worker: IoWorkerHandle): void;
  workerStop(worker: IoWorkerHandle): void;
  /** After its thread died: answers what it had begun with EOWNERDEAD. */
  workerRecover(worker: IoWorkerHandle): void;
  /** Once no thread serves it any more: answers all there is, and what will be published, with EOWNERDEAD. */
  workerFail(worker: IoWorkerHandle): void;
  workerClose(worker: IoWorkerHandle): void;
}
