import type { DeviceInfo, Fd, IrqInfo, IrqSet, RegionInfo } from '../../kernel/kernel.js';

/**
 * A device that a server serves. The errno of a `VfioError` that a method throws becomes the errno of the reply; for any
 * other error the reply is EIO.
 *
 * Thread: the server's. While the device waits inside `DmaBus.read` or `write`, the server calls it for other commands
 * of the client.
 */
export interface ServedDevice {
  /** Describes the device. */
  getInfo(): DeviceInfo;
  /**
   * Describes a region.
   * @returns the region, and the file behind its mapped areas, which the device owns
   * @throws EINVAL for an index that the device does not have
   */
  getRegionInfo(regionIndex: number): { readonly info: RegionInfo; readonly fd?: Fd | undefined };
  /** Describes an interrupt index. @throws EINVAL for an index that the device does not have */
  getIrqInfo(irqIndex: number): IrqInfo;
  /** Sets interrupts up. Owns `set.eventfds` from now on, also if the call fails. @throws EINVAL, ENOTTY, ERANGE */
  setIrqs(set: IrqSet): void;
  /**
   * Checks an access before it is performed.
   * @returns how many of its bytes are inside the region, as pread does at the end of a region
   * @throws EINVAL past the end of a region or without such a region, EFAULT past the end of config space, EIO while
   * memory decoding is off
   */
  checkAccess(access: { regionIndex: number; regionOffset: number; count: number; write: boolean }): number;
  /** Reads bytes that `checkAccess` accepted. */
  readRegion(regionIndex: number, regionOffset: number, target: Uint8Array): void;
  /** Writes bytes that `checkAccess` accepted. */
  writeRegion(regionIndex: number, regionOffset: number, source: Uint8Array): void;
  /** Resets the device. @throws EINVAL if it cannot be reset */
  reset(): void;
  /** Runs the timers that are due. @returns milliseconds until the next timer, Infinity without one */
  runTimers(): number;
  /** Connects a client, whose memory `bus` accesses. */
  connect(bus: DmaBus): void;
  /** Disconnects the client and closes its eventfds. The state of the device stays. */
  disconnect(): void;
}

/** Access to a client's memory by DMA. */
export interface DmaBus {
  /** Reads memory. @returns false if the access was refused or faulted; `target` is then unchanged */
  read(iova: bigint, target: Uint8Array): boolean;
  /** Writes memory. @returns false if the access was refused or faulted */
  write(iova: bigint, source: Uint8Array): boolean;
}
