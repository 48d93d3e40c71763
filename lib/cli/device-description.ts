import type { Device } from '../device/device.js';
import type { Region } from '../region/region.js';
import {
  VFIO_DEVICE_FLAGS_PCI,
  VFIO_DEVICE_FLAGS_RESET,
  VFIO_IRQ_INFO_AUTOMASKED,
  VFIO_IRQ_INFO_EVENTFD,
  VFIO_IRQ_INFO_MASKABLE,
  VFIO_IRQ_INFO_NORESIZE,
  VFIO_REGION_INFO_FLAG_MMAP,
  VFIO_REGION_INFO_FLAG_READ,
  VFIO_REGION_INFO_FLAG_WRITE,
} from '../uapi/vfio.js';
import { formatIrq, formatRegion } from './arguments.js';

/** What `info` prints of a device. */
export interface DeviceDescription {
  readonly device: string;
  readonly kernel: string;
  readonly backend: string;
  readonly group: string | undefined;
  readonly flags: readonly string[];
  /** Undefined if it is not a PCI device. */
  readonly header: HeaderDescription | undefined;
  readonly regions: readonly RegionDescription[];
  readonly irqs: readonly IrqDescription[];
}

/** The part of the config header that `info` prints. */
interface HeaderDescription {
  readonly vendorId: number;
  readonly deviceId: number;
  readonly classCode: number;
  readonly revisionId: number;
  readonly command: number;
  readonly capabilities: readonly { readonly id: number; readonly offset: number }[];
}

/** A region, as `info` prints it. */
export interface RegionDescription {
  readonly index: number;
  readonly name: string;
  /** Bytes. */
  readonly size: bigint;
  readonly flags: readonly string[];
  /** Whether the engine has mapped it. */
  readonly access: Region['kind'];
  readonly sparseMmap: readonly { readonly offset: bigint; readonly size: bigint }[] | undefined;
  readonly type: { readonly type: number; readonly subtype: number } | undefined;
  readonly msixMappable: boolean | undefined;
}

/** An interrupt, as `info` prints it. */
export interface IrqDescription {
  readonly index: number;
  readonly name: string;
  readonly count: number;
  readonly flags: readonly string[];
}

const DEVICE_FLAGS: readonly [number, string][] = [
  [VFIO_DEVICE_FLAGS_RESET, 'reset'],
  [VFIO_DEVICE_FLAGS_PCI, 'pci'],
];
const REGION_FLAGS: readonly [number, string][] = [
  [VFIO_REGION_INFO_FLAG_READ, 'read'],
  [VFIO_REGION_INFO_FLAG_WRITE, 'write'],
  [VFIO_REGION_INFO_FLAG_MMAP, 'mmap'],
];
const IRQ_FLAGS: readonly [number, string][] = [
  [VFIO_IRQ_INFO_EVENTFD, 'eventfd'],
  [VFIO_IRQ_INFO_MASKABLE, 'maskable'],
  [VFIO_IRQ_INFO_AUTOMASKED, 'automasked'],
  [VFIO_IRQ_INFO_NORESIZE, 'noresize'],
];

/** Describes a device. Interrupts without vectors are left out. */
export async function describeDevice(device: Device): Promise<DeviceDescription> {
  const irqs = device.irqs.filter(({ count }) => count > 0);
  return {
    device: device.name,
    kernel: device.kernel,
    backend: device.backend,
    group: device.groupId,
    flags: flagNames(device.info.flags, DEVICE_FLAGS),
    header: await describeHeader(device),
    regions: device.regions.map(describeRegion),
    irqs: irqs.map(({ irqIndex, count, flags }) => {
      return { index: irqIndex, name: formatIrq(irqIndex), count, flags: flagNames(flags, IRQ_FLAGS) };
    }),
  };
}

async function describeHeader(device: Device): Promise<HeaderDescription | undefined> {
  if ((device.info.flags & VFIO_DEVICE_FLAGS_PCI) === 0) return undefined;
  const { vendorId, deviceId, classCode, revisionId, command } = await device.config.header();
  const capabilities = await device.config.capabilities();
  return { vendorId, deviceId, classCode, revisionId, command, capabilities };
}

function describeRegion({ regionIndex, info, kind }: Region): RegionDescription {
  const { sparseMmap, type, msixMappable } = info.capabilities;
  const flags = flagNames(info.flags, REGION_FLAGS);
  const name = formatRegion(regionIndex);
  return { index: regionIndex, name, size: info.size, flags, access: kind, sparseMmap, type, msixMappable };
}

function flagNames(flags: number, names: readonly [number, string][]): string[] {
  return names.filter(([bit]) => (flags & bit) !== 0).map(([, name]) => name);
}
