import { systemError } from '../base/errors.js';
import type { ReservedRange } from '../base/iova-range.js';
import { ifFound } from '../kernel/hints.js';
import type { Sysfs } from '../kernel/sysfs.js';
import { queryDriver } from './driver.js';
import { readText, sysfsError, unlessMissing } from './sysfs-access.js';

/** The IOMMU group of a device. */
export interface GroupId {
  /** The number of the group as text: `26`. */
  readonly id: string;
  /** Whether it is a noiommu group: the group of one device that has no IOMMU. */
  readonly noiommu: boolean;
}

/** A device whose driver makes its group not viable. */
export interface ViabilityBlocker {
  /** The bdf of the device. */
  readonly device: string;
  /** The name of its driver. */
  readonly driver: string;
}

const GROUPS = '/sys/kernel/iommu_groups';
/** The name of the noiommu groups in /sys. Source: vfio_noiommu_group_alloc */
const NOIOMMU_NAME = 'vfio-noiommu';
/** The drivers that leave the DMA of a device to the user. With any other driver the group is not viable. */
const HARMLESS_DRIVERS = /^(vfio|pci-stub$|pcieport$|shpchp$)/;

/**
 * Finds the IOMMU group of a device.
 * @param devicePath the folder of the device under /sys
 * @param device the name of the device, for errors
 * @throws ENODEV if the device does not exist or has no group; EINVAL if the link does not lead to a group
 */
export async function queryGroup(sysfs: Sysfs, devicePath: string, device: string): Promise<GroupId> {
  const path = `${devicePath}/iommu_group`;
  let target: string;
  try {
    target = await sysfs.readlink(path);
  } catch (error) {
    throw await explainMissingGroup(sysfs, devicePath, device, error);
  }
  const id = baseName(target);
  if (!/^\d+$/.test(id)) {
    const hint = `the link leads to '${target}', which does not end in the number of a group`;
    throw systemError('EINVAL', 'readlink', { device, path, hint });
  }
  // Groups of mediated devices, which need no IOMMU, have the same name.
  const mediated = devicePath.startsWith('/sys/bus/mdev/');
  const name = await readText(sysfs, `${GROUPS}/${id}/name`);
  return { id, noiommu: name === NOIOMMU_NAME && !mediated };
}

/**
 * Finds the number of a device's IOMMU group. Never throws.
 * @returns undefined if the device has no group, or /sys cannot be read
 */
export async function queryGroupId(sysfs: Sysfs, devicePath: string): Promise<string | undefined> {
  return ifFound(async () => baseName(await sysfs.readlink(`${devicePath}/iommu_group`)));
}

/** Reads the reserved ranges of a group. @returns an empty list if the kernel is too old to show them */
export async function queryReservedRanges(sysfs: Sysfs, groupId: string): Promise<ReservedRange[]> {
  const text = await readText(sysfs, `${GROUPS}/${groupId}/reserved_regions`);
  return text === undefined ? [] : parseReservedRanges(text);
}

/** Parses lines of `0xSTART 0xLAST TYPE`. @throws EINVAL if a line has another form */
function parseReservedRanges(text: string): ReservedRange[] {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  return lines.map((line) => {
    const [, start, last, type] = /^\s*(0x[0-9a-f]+)\s+(0x[0-9a-f]+)\s+(\S+)\s*$/i.exec(line) ?? [];
    if (start === undefined || last === undefined || type === undefined || BigInt(last) < BigInt(start)) {
      throw systemError('EINVAL', 'read', { path: 'reserved_regions', hint: `the line '${line}' is not a range` });
    }
    return { start: BigInt(start), last: BigInt(last), type };
  });
}

/** Finds a device of the group whose driver makes the group not viable. @returns undefined if there is none */
export async function findViabilityBlocker(sysfs: Sysfs, groupId: string): Promise<ViabilityBlocker | undefined> {
  const folder = groupDevicesFolder(groupId);
  const devices = (await unlessMissing(sysfs.readdir(folder), folder)) ?? [];
  for (const device of [...devices].sort()) {
    const driver = await queryDriver(sysfs, `${folder}/${device}`);
    if (driver !== null && !HARMLESS_DRIVERS.test(driver)) return { device, driver };
  }
  return undefined;
}

/** The folder with a link to each device of a group. */
export function groupDevicesFolder(groupId: string): string {
  return `${GROUPS}/${groupId}/devices`;
}

const NO_GROUP =
  'the device has no IOMMU group: turn the IOMMU on (intel_iommu=on or amd_iommu=on), or bind the device to vfio-pci with ' +
  'enable_unsafe_noiommu_mode set';
const NO_DEVICE = 'there is no such device: `vfio-engine list` shows the devices of this machine';

async function explainMissingGroup(sysfs: Sysfs, devicePath: string, device: string, error: unknown): Promise<unknown> {
  const path = `${devicePath}/iommu_group`;
  const failure = sysfsError(error, path);
  if (failure.code !== 'ENOENT') return failure;
  const exists = await ifFound(() => sysfs.exists(devicePath));
  const hint = exists === undefined ? undefined : exists ? NO_GROUP : NO_DEVICE;
  return systemError('ENODEV', 'readlink', { device, path, hint, cause: error });
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
