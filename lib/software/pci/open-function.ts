import type { ConnectionHandle, Fd, MappingHandle } from '../../kernel/kernel.js';
import { addon } from '../../native/addon.js';
import { VFIO_PCI_CONFIG_REGION_INDEX, VFIO_PCI_ROM_REGION_INDEX } from '../../uapi/vfio.js';
import type { DeviceRegion } from './running-device.js';

/** A device as vfio-pci shows it to one user: with virtualized config space, and without the MSI-X table. */
export interface OpenFunction {
  /** What native code accesses, on any thread. */
  readonly connection: ConnectionHandle;
  /** The BAR of the MSI-X table; undefined without MSI-X. */
  readonly tableRegion: number | undefined;
  /** Whether the user has disabled INTx in the command register. */
  readonly intxDisabled: boolean;
  /** Reads from a region. @returns fewer bytes than `length` where a BAR ends @throws the errno of vfio-pci or of the device */
  read(regionIndex: number, regionOffset: bigint, length: number): Promise<Uint8Array>;
  /** Writes to a region. @returns how many bytes were written @throws the errno of vfio-pci or of the device */
  write(regionIndex: number, regionOffset: bigint, data: Uint8Array): Promise<number>;
  /** Takes a mapping of a BAR away while memory decoding is off. @param fd the file of the BAR */
  track(mapping: MappingHandle, bar: number, fd: Fd, offset: bigint): void;
  /** Tells config space which interrupt index is enabled, with how many vectors. */
  setIrq(index: number | null, vectors: number): void;
  /** Ends the user's access. */
  close(): void;
}

/** Opens a device that is behind a connection. @throws the device's errno */
export async function openFunction(
  device: ConnectionHandle,
  regions: readonly (DeviceRegion | undefined)[],
): Promise<OpenFunction> {
  const sizeOf = (index: number): bigint => regions[index]?.info.size ?? 0n;
  const bars = BigUint64Array.from({ length: VFIO_PCI_ROM_REGION_INDEX + 1 }, (_, index) => sizeOf(index));
  const connection = await addon.vfioPciOpen(device, Number(sizeOf(VFIO_PCI_CONFIG_REGION_INDEX)), bars);
  return new NativeFunction(connection);
}

/** Its code is in the addon, because regions and lanes reach it from every thread. Source: native/vfio_pci */
class NativeFunction implements OpenFunction {
  constructor(readonly connection: ConnectionHandle) {}

  get tableRegion(): number | undefined {
    const region = addon.vfioPciTableRegion(this.connection);
    return region < 0 ? undefined : region;
  }

  get intxDisabled(): boolean {
    return addon.vfioPciIntxDisabled(this.connection);
  }

  read(regionIndex: number, regionOffset: bigint, length: number): Promise<Uint8Array> {
    return addon.vfioPciRead(this.connection, regionIndex, regionOffset, length);
  }

  write(regionIndex: number, regionOffset: bigint, data: Uint8Array): Promise<number> {
    return addon.vfioPciWrite(this.connection, regionIndex, regionOffset, data);
  }

  track(mapping: MappingHandle, bar: number, fd: Fd, offset: bigint): void {
    addon.vfioPciTrack(this.connection, mapping, bar, fd, offset);
  }

  setIrq(index: number | null, vectors: number): void {
    addon.vfioPciSetIrq(this.connection, index ?? -1, vectors);
  }

  close(): void {
    addon.vfioPciClose(this.connection);
  }
}
