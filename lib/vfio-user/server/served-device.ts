import type { DeviceInfo, Fd, IrqInfo, IrqSet, RegionInfo } from '../../kernel/kernel.js';

/**
 * What a server serves: a device in VFIO's terms. Its methods throw a `VfioError` whose `errno` becomes the reply's;
 * anything else they throw is answered with EIO.
 *
 * Thread: the server's. While the device waits inside `DmaBus.read` or `write`, the server calls it again for the
 * client's other commands.
 */
export interface ServedDevice {
  getInfo(): DeviceInfo;
  /** @returns the region, and the file behind its mapped areas, which stays the device's. @throws EINVAL */
  getRegionInfo(regionIndex: number): { readonly info: RegionInfo; readonly fd?: Fd | undefined };
  /** @throws EINVAL */
  getIrqInfo(irqIndex: number): IrqInfo;
  /** Owns `set.eventfds` from the call on, also when it throws. @throws EINVAL, ENOTTY, ERANGE */
  setIrqs(set: IrqSet): void;
  /**
   * Checks an access before any of it is done.
   * @returns how many bytes of it the region has, as a pread that crosses the region's end
   * @throws EINVAL behind the end or without such a region, EFAULT for config space, EIO while decoding is off
   */
  checkAccess(access: { regionIndex: number; regionOffset: number; count: number; write: boolean }): number;
  /** Reads what `checkAccess` let pass. */
  readRegion(regionIndex: number, regionOffset: number, target: Uint8Array): void;
  /** Writes what `checkAccess` let pass. */
  writeRegion(regionIndex: number, regionOffset: number, source: Uint8Array): void;
  /** @throws EINVAL when the device cannot be reset */
  reset(): void;
  /** Does what is due. @returns milliseconds until the next thing is, Infinity when nothing waits */
  runTimers(): number;
  /** A client is there: `bus` is how its memory is reached. */
  connect(bus: DmaBus): void;
  /** The client left: its eventfds are closed, its memory is out of reach; the device's state stays. */
  disconnect(): void;
}

/** A client's memory. Every access is all or nothing for the caller: false when it was refused or faulted. */
export interface DmaBus {
  /** @returns false when refused; `target` is then unchanged */
  read(iova: bigint, target: Uint8Array): boolean;
  write(iova: bigint, source: Uint8Array): boolean;
}
