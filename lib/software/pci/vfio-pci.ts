import { VFIO_DEVICE_INFO_MINSZ, VFIO_IRQ_INFO_MINSZ, VFIO_REGION_INFO_MINSZ } from '../../uapi/vfio-sizes.js';
import {
  VFIO_DEVICE_FLAGS_RESET,
  VFIO_IRQ_INFO_EVENTFD,
  VFIO_IRQ_INFO_NORESIZE,
  VFIO_PCI_ERR_IRQ_INDEX,
  VFIO_PCI_NUM_IRQS,
  VFIO_PCI_NUM_REGIONS,
  VFIO_PCI_OFFSET_SHIFT,
  VFIO_PCI_REQ_IRQ_INDEX,
  VFIO_PCI_ROM_REGION_INDEX,
  VFIO_PCI_VGA_REGION_INDEX,
  VFIO_REGION_INFO_FLAG_CAPS,
  VFIO_REGION_INFO_FLAG_MMAP,
} from '../../uapi/vfio.js';
import { VfioError } from '../../base/errors.js';
import { addon } from '../../native/addon.js';
import type { DomainHandle } from '../../native/vfio-user.js';
import type {
  DeviceInfo,
  IoTarget,
  IrqInfo,
  IrqSet,
  MappingHandle,
  RegionCapabilities,
  RegionInfo,
} from '../../kernel/kernel.js';
import type { DeviceRegion, OpenFunction, RunningDevice } from './running-device.js';
import { PAGE_SIZE_BIGINT } from '../../native/page-size.js';
import { failWith } from '../base/errno-failure.js';
import { enableDevice, readConfig, restoreConfig } from './physical-config.js';
import type { VfioDriver } from '../group/vfio-driver.js';

/** A device on the machine's bus, as its driver uses it. */
export interface BusDevice {
  readonly name: string;
  /** Replaces the driver's comparison of the argument of VFIO_GROUP_GET_DEVICE_FD. */
  readonly match?: ((argument: string) => boolean) | undefined;
  /** Starts the device, or returns the running one. @throws ENODEV if it has no model, and the error of the start */
  start(): Promise<RunningDevice>;
  /** Calls back with the domain of the device's DMA: now, and at each change. */
  followDomain(follow: (domain: DomainHandle) => void): void;
}

/** The driver vfio-pci. Its device is a running model. Source: drivers/vfio/pci/vfio_pci_core.c */
export class VfioPci implements VfioDriver {
  #device: RunningDevice | null = null;
  #function: OpenFunction | null = null;
  /** Config space at the open, before the user wrote to it. */
  #config: Uint8Array = new Uint8Array(0);

  constructor(private readonly busDevice: BusDevice) {}

  get ioTarget(): IoTarget {
    return { kind: 'vfio-user', connection: this.#opened.connection };
  }

  watchRemoval(onGone: (reason: VfioError) => void): () => void {
    return this.#running.onEnd?.(onGone) ?? ((): void => undefined);
  }

  /** Compares the name. An argument `NAME KEY=VALUE` is for virtual functions only. Source: vfio_pci_core_match */
  match(argument: string): boolean {
    const { name, match } = this.busDevice;
    if (match !== undefined) return match(argument);
    if (argument === name) return true;
    return argument.startsWith(`${name} `) ? failWith('EINVAL') : false;
  }

  async open(): Promise<void> {
    const device = await this.busDevice.start();
    this.busDevice.followDomain((domain) => device.setDomain(domain));
    if ((device.info.flags & VFIO_DEVICE_FLAGS_RESET) !== 0) await device.reset();
    await enableDevice(device);
    this.#config = await readConfig(device);
    this.#function = await device.openFunction();
    this.#device = device;
  }

  async close(): Promise<void> {
    const device = this.#running;
    this.#device = null;
    try {
      await this.#opened.close();
      await restoreConfig(device, this.#config);
      if ((device.info.flags & VFIO_DEVICE_FLAGS_RESET) !== 0) await device.reset();
    } catch (error) {
      // The device's thread or process ended: there is no state left to restore.
      if (!(error instanceof VfioError) || error.code !== 'ENODEV') throw error;
    }
  }

  request(): void {
    this.#opened.request();
  }

  getInfo(argsz: number | undefined): DeviceInfo {
    if (argsz !== undefined && argsz < VFIO_DEVICE_INFO_MINSZ) failWith('EINVAL');
    return this.#running.info;
  }

  getRegionInfo(regionIndex: number, argsz: number | undefined): RegionInfo {
    if (argsz !== undefined && argsz < VFIO_REGION_INFO_MINSZ) failWith('EINVAL');
    if (regionIndex === VFIO_PCI_VGA_REGION_INDEX) failWith('EINVAL');
    const info = this.#regionInfo(regionIndex);
    const hasRoom = argsz === undefined || argsz >= VFIO_REGION_INFO_MINSZ + capabilitiesSize(info.capabilities);
    const capabilities = hasRoom ? info.capabilities : {};
    return { ...info, offset: BigInt(regionIndex) << VFIO_PCI_OFFSET_SHIFT, capabilities };
  }

  getIrqInfo(irqIndex: number, argsz: number | undefined): IrqInfo {
    if (argsz !== undefined && argsz < VFIO_IRQ_INFO_MINSZ) failWith('EINVAL');
    if (irqIndex === VFIO_PCI_REQ_IRQ_INDEX) {
      return { index: irqIndex, flags: VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_NORESIZE, count: 1 };
    }
    const info = this.#running.irqs[irqIndex];
    if (info === undefined || irqIndex >= VFIO_PCI_NUM_IRQS) failWith('EINVAL');
    if (irqIndex === VFIO_PCI_ERR_IRQ_INDEX && info.count === 0) failWith('EINVAL');
    return info;
  }

  setIrqs(set: IrqSet): Promise<void> {
    return this.#opened.setIrqs(set);
  }

  async reset(): Promise<void> {
    const device = this.#running;
    if ((device.info.flags & VFIO_DEVICE_FLAGS_RESET) === 0) failWith('EINVAL');
    await device.reset();
  }

  async read(fileOffset: bigint, length: number): Promise<Uint8Array> {
    // A transfer of 0 bytes reaches no region. The file system's check for a negative offset comes first.
    if (length === 0 && fileOffset >= 0n) return new Uint8Array(0);
    const { regionIndex, regionOffset } = splitFileOffset(fileOffset);
    this.#region(regionIndex);
    return this.#opened.read(regionIndex, regionOffset, length);
  }

  async write(fileOffset: bigint, data: Uint8Array): Promise<number> {
    if (data.length === 0 && fileOffset >= 0n) return 0;
    const { regionIndex, regionOffset } = splitFileOffset(fileOffset);
    this.#region(regionIndex);
    return this.#opened.write(regionIndex, regionOffset, data);
  }

  map(fileOffset: bigint, length: number, prot: { readonly read: boolean; readonly write: boolean }): MappingHandle {
    const { regionIndex, regionOffset } = splitFileOffset(fileOffset);
    if (length <= 0 || regionOffset % PAGE_SIZE_BIGINT !== 0n || regionIndex >= VFIO_PCI_ROM_REGION_INDEX)
      failWith('EINVAL');
    const { info, fd } = this.#region(regionIndex);
    if ((info.flags & VFIO_REGION_INFO_FLAG_MMAP) === 0 || fd === undefined) failWith('EINVAL');
    const end = regionOffset + pageAligned(BigInt(length));
    const areas = info.capabilities.sparseMmap ?? [{ offset: 0n, size: pageAligned(info.size) }];
    if (!areas.some(({ offset, size }) => offset <= regionOffset && end <= offset + size)) failWith('EINVAL');
    const mapping = addon.mappingCreate(fd, regionOffset, length, (prot.read ? 1 : 0) | (prot.write ? 2 : 0));
    try {
      this.#opened.track(mapping, regionIndex, fd, regionOffset);
    } catch (error) {
      addon.mappingClose(mapping);
      throw error;
    }
    return mapping;
  }

  async restoreMapping(mapping: MappingHandle, fileOffset: bigint): Promise<void> {
    const { regionIndex, regionOffset } = splitFileOffset(fileOffset);
    const { fd } = this.#region(regionIndex);
    if (fd === undefined) failWith('EINVAL');
    await addon.mappingRestore(mapping, fd, regionOffset);
    this.#opened.track(mapping, regionIndex, fd, regionOffset);
  }

  get #running(): RunningDevice {
    return this.#device ?? failWith('ENODEV');
  }

  get #opened(): OpenFunction {
    return this.#function ?? failWith('ENODEV');
  }

  /** The table of a BAR that can be mapped can be mapped too. Source: vfio_pci_ioctl_get_region_info, msix_mappable_cap */
  #regionInfo(regionIndex: number): RegionInfo {
    const { info } = this.#region(regionIndex);
    const mappable = (info.flags & VFIO_REGION_INFO_FLAG_MMAP) !== 0;
    if (!mappable || this.#opened.tableRegion !== regionIndex) return info;
    const flags = info.flags | VFIO_REGION_INFO_FLAG_CAPS;
    return { ...info, flags, capabilities: { ...info.capabilities, msixMappable: true } };
  }

  #region(regionIndex: number): DeviceRegion {
    return this.#running.regions[regionIndex] ?? failWith('EINVAL');
  }
}

/** Returns the region of a file offset, and the offset in the region. @throws EINVAL if no region has the file offset */
function splitFileOffset(fileOffset: bigint): { regionIndex: number; regionOffset: bigint } {
  if (fileOffset < 0n) failWith('EINVAL');
  const regionIndex = Number(fileOffset >> VFIO_PCI_OFFSET_SHIFT);
  if (regionIndex >= VFIO_PCI_NUM_REGIONS) failWith('EINVAL');
  return { regionIndex, regionOffset: fileOffset & ((1n << VFIO_PCI_OFFSET_SHIFT) - 1n) };
}

/** Returns the size in bytes of a region's capability chain. */
function capabilitiesSize({ sparseMmap, type, msixMappable }: RegionCapabilities): number {
  const sparse = sparseMmap === undefined ? 0 : 16 + 16 * sparseMmap.length;
  return sparse + (type === undefined ? 0 : 16) + (msixMappable === true ? 8 : 0);
}

function pageAligned(size: bigint): bigint {
  return (size + PAGE_SIZE_BIGINT - 1n) & -PAGE_SIZE_BIGINT;
}
