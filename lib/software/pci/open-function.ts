import { irqData } from '../../kernel/irq-data.js';
import type { ConnectionHandle, Fd, IrqInfo, IrqSet, MappingHandle } from '../../kernel/kernel.js';
import { addon } from '../../native/addon.js';
import { VFIO_IRQ_SET_MINSZ } from '../../uapi/vfio-sizes.js';
import {
  VFIO_IRQ_INFO_NORESIZE,
  VFIO_PCI_CONFIG_REGION_INDEX,
  VFIO_PCI_MSIX_IRQ_INDEX,
  VFIO_PCI_NUM_IRQS,
  VFIO_PCI_REQ_IRQ_INDEX,
  VFIO_PCI_ROM_REGION_INDEX,
} from '../../uapi/vfio.js';
import type { DeviceRegion, OpenFunction } from './running-device.js';

/** Opens a device that is behind a connection. @throws the device's errno */
export async function openFunction(
  device: ConnectionHandle,
  regions: readonly (DeviceRegion | undefined)[],
  irqs: readonly (IrqInfo | undefined)[],
): Promise<OpenFunction> {
  const sizeOf = (index: number): bigint => regions[index]?.info.size ?? 0n;
  const bars = BigUint64Array.from({ length: VFIO_PCI_ROM_REGION_INDEX + 1 }, (_, index) => sizeOf(index));
  const configSize = Number(sizeOf(VFIO_PCI_CONFIG_REGION_INDEX));
  const counts = Int32Array.from({ length: VFIO_PCI_NUM_IRQS }, (_, index) => irqs[index]?.count ?? 0);
  // Every device has the interrupt by which the kernel asks for it.
  counts[VFIO_PCI_REQ_IRQ_INDEX] = 1;
  const dynamic = ((irqs[VFIO_PCI_MSIX_IRQ_INDEX]?.flags ?? 0) & VFIO_IRQ_INFO_NORESIZE) === 0;
  const connection = await addon.vfioPciOpen(device, configSize, bars, counts, dynamic);
  return new NativeFunction(connection);
}

/** Its code is in the addon, because regions and lanes reach it from every thread. Source: native/vfio_pci */
class NativeFunction implements OpenFunction {
  constructor(readonly connection: ConnectionHandle) {}

  get tableRegion(): number | undefined {
    const region = addon.vfioPciTableRegion(this.connection);
    return region < 0 ? undefined : region;
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

  async setIrqs(set: IrqSet): Promise<void> {
    const data = irqData(set);
    const { argsz = VFIO_IRQ_SET_MINSZ + data.length, flags, index, start, count } = set;
    await addon.vfioPciSetIrqs(this.connection, argsz, flags, index, start, count, data, true);
  }

  request(): void {
    addon.vfioPciRequest(this.connection);
  }

  close(): Promise<void> {
    return addon.vfioPciClose(this.connection);
  }
}
