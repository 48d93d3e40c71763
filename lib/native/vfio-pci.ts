import type { ConnectionHandle, Fd, MappingHandle } from '../kernel/kernel.js';

/**
 * Open devices of the software core's vfio-pci. A handle is a connection too: regions and lanes use it as their target.
 * Source: native/vfio_pci.
 */
export interface VfioPciAddon {
  /**
   * Reads the config space of a device and lays it out as vfio-pci does, on a call thread.
   * @param device the connection to the device, which stays open
   * @param configSize 256 or 4096, bytes
   * @param barSizes the sizes of the six BARs and of the ROM, bytes; 0 for an absent one
   * @param irqCounts how many vectors each of the five interrupt indexes has
   * @param dynamicMsix whether vectors of MSI-X can be added while it is enabled
   * @throws the device's errno
   */
  vfioPciOpen(
    device: ConnectionHandle,
    configSize: number,
    barSizes: BigUint64Array,
    irqCounts: Int32Array,
    dynamicMsix: boolean,
  ): Promise<ConnectionHandle>;
  /** Reads from a region on a call thread. @returns fewer bytes at the end of a BAR @throws the errno of vfio-pci or of the device */
  vfioPciRead(handle: ConnectionHandle, regionIndex: number, offset: bigint, length: number): Promise<Uint8Array>;
  /** Writes to a region on a call thread. @returns how many bytes @throws the errno of vfio-pci or of the device */
  vfioPciWrite(handle: ConnectionHandle, regionIndex: number, offset: bigint, data: Uint8Array): Promise<number>;
  /**
   * Adds a mapping of a BAR, or one that was restored: while memory decoding is off, every access to it faults, which revokes it.
   * @param fd the file of the BAR, which stays the caller's
   * @param offset the offset of the mapping in the file, bytes
   */
  vfioPciTrack(handle: ConnectionHandle, mapping: MappingHandle, bar: number, fd: Fd, offset: bigint): void;
  /**
   * VFIO_DEVICE_SET_IRQS.
   * @param data what follows the structure: descriptors, or bytes
   * @param sleeps true for a promise; false runs it on the calling thread, any that may block
   * @throws EINVAL, ENOTTY, ERANGE, EBADF, EBUSY for a second eventfd that unmasks, and the device's errno
   */
  vfioPciSetIrqs(
    handle: ConnectionHandle,
    argsz: number,
    flags: number,
    index: number,
    start: number,
    count: number,
    data: Uint8Array,
    sleeps: boolean,
  ): Promise<void> | void;
  /** Signals the eventfd that asks the user for the device, if there is one. */
  vfioPciRequest(handle: ConnectionHandle): void;
  /** Returns the BAR of the MSI-X table, -1 without one. */
  vfioPciTableRegion(handle: ConnectionHandle): number;
  /** Ends all access: regions that still have the handle then get ENODEV. Disables the interrupts. */
  vfioPciClose(handle: ConnectionHandle): Promise<void>;
}
