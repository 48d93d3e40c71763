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
   * @throws the device's errno
   */
  vfioPciOpen(device: ConnectionHandle, configSize: number, barSizes: BigUint64Array): Promise<ConnectionHandle>;
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
  /** Tells config space which interrupt index is enabled, -1 for none, and with how many vectors. */
  vfioPciSetIrq(handle: ConnectionHandle, irqIndex: number, vectors: number): void;
  /** Tells whether the user has disabled INTx in the command register. */
  vfioPciIntxDisabled(handle: ConnectionHandle): boolean;
  /** Returns the BAR of the MSI-X table, -1 without one. */
  vfioPciTableRegion(handle: ConnectionHandle): number;
  /** Ends all access: regions that still have the handle then get ENODEV. */
  vfioPciClose(handle: ConnectionHandle): void;
}
