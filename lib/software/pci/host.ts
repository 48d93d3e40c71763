import type { DomainHandle } from '../../native/vfio-user.js';
import type { ConnectionHandle, DeviceInfo, Fd, IrqInfo, IrqSet, RegionInfo } from '../../kernel/kernel.js';

/**
 * A running device, as the software core's vfio-pci sees it: a model behind a vfio-user connection. What does not change
 * is asked once, so that the kernel's cheap queries answer at once.
 */
export interface DeviceHost {
  readonly connection: ConnectionHandle;
  /** False once the device's thread or process ended. */
  readonly alive: boolean;
  readonly info: DeviceInfo;
  /** By index; undefined where the device has no such region. */
  readonly regions: readonly (HostRegion | undefined)[];
  readonly irqs: readonly (IrqInfo | undefined)[];
  /** Puts the device's DMA behind a domain, or (0) behind none. */
  setDomain(domain: DomainHandle): void;
  /** @returns fewer bytes where the region ends. @throws the device's errno */
  readRegion(regionIndex: number, regionOffset: bigint, length: number): Promise<Uint8Array>;
  /** @returns the count of bytes written. @throws the device's errno */
  writeRegion(regionIndex: number, regionOffset: bigint, data: Uint8Array): Promise<number>;
  setIrqs(set: IrqSet): Promise<void>;
  reset(): Promise<void>;
  /** Ends the device. */
  close(): Promise<void>;
}

export interface HostRegion {
  readonly info: RegionInfo;
  /** The file behind the region's mapped areas, the host's; a region's byte has the same offset in it. */
  readonly fd?: Fd;
}

export type StartHost = () => Promise<DeviceHost>;
