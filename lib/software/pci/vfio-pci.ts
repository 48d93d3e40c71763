import {
  VFIO_DEVICE_FLAGS_RESET,
  VFIO_PCI_CONFIG_REGION_INDEX,
  VFIO_PCI_NUM_REGIONS,
  VFIO_PCI_OFFSET_SHIFT,
  VFIO_PCI_ROM_REGION_INDEX,
  VFIO_PCI_VGA_REGION_INDEX,
  VFIO_REGION_INFO_FLAG_MMAP,
} from '../../uapi/vfio.js';
import { PCI_COMMAND } from '../../uapi/pci.js';
import { VfioError } from '../../base/errors.js';
import { addon } from '../../native/addon.js';
import { PAGE_SIZE_BIGINT } from '../../native/page-size.js';
import type {
  DeviceInfo,
  IoTarget,
  IrqInfo,
  IrqSet,
  MappingHandle,
  RegionCapabilities,
  RegionInfo,
} from '../../kernel/kernel.js';
import type { DeviceHost, HostRegion } from './host.js';
import type { MachineDevice } from '../machine/machine-device.js';
import { refuse } from '../refusal.js';
import type { VfioDriver } from '../group/vfio-device.js';
import { VfioPciIrqs } from './vfio-pci-irqs.js';

/** The sizes of the structures up to their last field that has to be there. */
const DEVICE_INFO_SIZE = 16;
const REGION_INFO_SIZE = 32;

/** I/O ports, memory and SERR# on, as the kernel leaves a device that it enabled; the bus master bit (4) is off. */
const COMMAND_ENABLED = 0x103;

/** The driver that gives a device to a user: vfio-pci, over a model. Source: drivers/vfio/pci/vfio_pci_core.c */
export class VfioPci implements VfioDriver {
  readonly #irqs = new VfioPciIrqs();
  #host: DeviceHost | null = null;
  /** Config space as the device has it, without what the user writes. */
  #config: Uint8Array = new Uint8Array(0);

  constructor(private readonly device: MachineDevice) {}

  get ioTarget(): IoTarget {
    return { kind: 'vfio-user', connection: this.#running.connection };
  }

  /** Source: vfio_pci_core_match: the name, and behind a blank what only virtual functions take. */
  match(argument: string): boolean {
    const { name, options } = this.device;
    if (options.match !== undefined) return options.match(argument);
    if (argument === name) return true;
    return argument.startsWith(`${name} `) ? refuse('EINVAL') : false;
  }

  async open(): Promise<void> {
    const host = await (this.device.runner?.start() ?? refuse('ENODEV'));
    this.device.followDomain((domain) => host.setDomain(domain));
    if ((host.info.flags & VFIO_DEVICE_FLAGS_RESET) !== 0) await host.reset();
    this.#config = await readConfig(host);
    await writeConfig(host, this.#config);
    this.#irqs.start(host);
    this.#host = host;
  }

  async close(): Promise<void> {
    const host = this.#running;
    this.#host = null;
    try {
      await this.#irqs.stop();
      await writeConfig(host, this.#config);
      if ((host.info.flags & VFIO_DEVICE_FLAGS_RESET) !== 0) await host.reset();
    } catch (error) {
      // A device that is gone has nothing left to be put in order.
      if (!(error instanceof VfioError) || error.code !== 'ENODEV') throw error;
    }
  }

  request(): void {
    this.#irqs.signalRequest();
  }

  getInfo(argsz: number | undefined): DeviceInfo {
    if (argsz !== undefined && argsz < DEVICE_INFO_SIZE) refuse('EINVAL');
    return this.#running.info;
  }

  getRegionInfo(regionIndex: number, argsz: number | undefined): RegionInfo {
    if (argsz !== undefined && argsz < REGION_INFO_SIZE) refuse('EINVAL');
    if (regionIndex === VFIO_PCI_VGA_REGION_INDEX) refuse('EINVAL');
    const { info } = this.#region(regionIndex);
    const hasRoom = argsz === undefined || argsz >= REGION_INFO_SIZE + capabilitiesSize(info.capabilities);
    const capabilities = hasRoom ? info.capabilities : {};
    return { ...info, offset: BigInt(regionIndex) << VFIO_PCI_OFFSET_SHIFT, capabilities };
  }

  getIrqInfo(irqIndex: number, argsz: number | undefined): IrqInfo {
    return this.#irqs.getInfo(irqIndex, argsz);
  }

  setIrqs(set: IrqSet): Promise<void> {
    return this.#irqs.set(set);
  }

  async reset(): Promise<void> {
    const host = this.#running;
    if ((host.info.flags & VFIO_DEVICE_FLAGS_RESET) === 0) refuse('EINVAL');
    await host.reset();
  }

  async read(fileOffset: bigint, length: number): Promise<Uint8Array> {
    // Nothing is asked for, so no region is looked at: only the file's own check of the offset comes first.
    if (length === 0 && fileOffset >= 0n) return new Uint8Array(0);
    const { regionIndex, regionOffset } = locate(fileOffset);
    this.#checkAccess(regionIndex, regionOffset);
    return this.#running.readRegion(regionIndex, regionOffset, length);
  }

  async write(fileOffset: bigint, data: Uint8Array): Promise<number> {
    if (data.length === 0 && fileOffset >= 0n) return 0;
    const { regionIndex, regionOffset } = locate(fileOffset);
    if (regionIndex === VFIO_PCI_ROM_REGION_INDEX) refuse('EINVAL');
    this.#checkAccess(regionIndex, regionOffset);
    return this.#running.writeRegion(regionIndex, regionOffset, data);
  }

  map(fileOffset: bigint, length: number, prot: { readonly read: boolean; readonly write: boolean }): MappingHandle {
    const { regionIndex, regionOffset } = locate(fileOffset);
    if (length <= 0 || regionOffset % PAGE_SIZE_BIGINT !== 0n || regionIndex >= VFIO_PCI_ROM_REGION_INDEX)
      refuse('EINVAL');
    const { info, fd } = this.#region(regionIndex);
    if ((info.flags & VFIO_REGION_INFO_FLAG_MMAP) === 0 || fd === undefined) refuse('EINVAL');
    const end = regionOffset + pageAligned(BigInt(length));
    const areas = info.capabilities.sparseMmap ?? [{ offset: 0n, size: pageAligned(info.size) }];
    if (!areas.some(({ offset, size }) => offset <= regionOffset && end <= offset + size)) refuse('EINVAL');
    return addon.mappingCreate(fd, regionOffset, length, (prot.read ? 1 : 0) | (prot.write ? 2 : 0));
  }

  get #running(): DeviceHost {
    return this.#host ?? refuse('ENODEV');
  }

  #region(regionIndex: number): HostRegion {
    return this.#running.regions[regionIndex] ?? refuse('EINVAL');
  }

  /** What lies behind a region's end: no such byte, and in config space a bad address. */
  #checkAccess(regionIndex: number, regionOffset: bigint): void {
    const { size } = this.#region(regionIndex).info;
    if (regionOffset >= size) refuse(regionIndex === VFIO_PCI_CONFIG_REGION_INDEX ? 'EFAULT' : 'EINVAL');
  }
}

/** Takes a file offset apart. @throws EINVAL for one that no region has */
function locate(fileOffset: bigint): { regionIndex: number; regionOffset: bigint } {
  if (fileOffset < 0n) refuse('EINVAL');
  const regionIndex = Number(fileOffset >> VFIO_PCI_OFFSET_SHIFT);
  if (regionIndex >= VFIO_PCI_NUM_REGIONS) refuse('EINVAL');
  return { regionIndex, regionOffset: fileOffset & ((1n << VFIO_PCI_OFFSET_SHIFT) - 1n) };
}

/** Bytes of a region's capability chain. */
function capabilitiesSize({ sparseMmap, type, msixMappable }: RegionCapabilities): number {
  const sparse = sparseMmap === undefined ? 0 : 16 + 16 * sparseMmap.length;
  return sparse + (type === undefined ? 0 : 16) + (msixMappable === true ? 8 : 0);
}

function pageAligned(size: bigint): bigint {
  return (size + PAGE_SIZE_BIGINT - 1n) & -PAGE_SIZE_BIGINT;
}

/** Reads config space, the command register as the kernel leaves it. */
async function readConfig(host: DeviceHost): Promise<Uint8Array> {
  const size = host.regions[VFIO_PCI_CONFIG_REGION_INDEX]?.info.size ?? 0n;
  const config = await host.readRegion(VFIO_PCI_CONFIG_REGION_INDEX, 0n, Number(size));
  if (config.length > PCI_COMMAND + 1) config.set([COMMAND_ENABLED & 0xff, COMMAND_ENABLED >> 8], PCI_COMMAND);
  return config;
}

/**
 * Makes what a user wrote undone: most of it only ever reached vfio-pci's copy of config space, which every user gets anew
 * from the device. Source: vfio_config_init, vfio_config_free
 */
async function writeConfig(host: DeviceHost, config: Uint8Array): Promise<void> {
  if (config.length > 0) await host.writeRegion(VFIO_PCI_CONFIG_REGION_INDEX, 0n, config);
}
