import { systemError, VfioError, withContext } from '../base/errors.js';
import type { ReservedRange } from '../base/iova-range.js';
import { ifFound } from '../kernel/hints.js';
import type { Sysfs } from '../kernel/sysfs.js';
import { errnoNumber, isErrnoName } from '../uapi/errno.js';

/** The IOMMU group of a device. */
export interface GroupId {
  /** The number, as text: `26`. */
  readonly id: string;
  /** Whether it stands for a device without an IOMMU. */
  readonly noiommu: boolean;
}

/** What keeps a group from being viable. */
export interface ViabilityBlocker {
  readonly device: string;
  readonly driver: string;
}

/** The name that the kernel gives to the groups of devices without an IOMMU. Source: vfio_noiommu_group_alloc */
const NOIOMMU_NAME = 'vfio-noiommu';
/** Drivers that leave the device's DMA to the user; all others make the group not viable. */
const HARMLESS_DRIVERS = /^(vfio|pci-stub$|pcieport$|shpchp$)/;

/**
 * Finds the IOMMU group of a device.
 * @param devicePath its folder under /sys
 * @throws ENODEV when there is no such device or it has no group; EINVAL when the link leads elsewhere
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
    const hint = `it leads to '${target}', which does not end in a group's number`;
    throw systemError('EINVAL', 'readlink', { device, path, hint });
  }
  // The kernel makes the groups of mediated devices, which need no IOMMU, under the same name.
  const mediated = devicePath.startsWith('/sys/bus/mdev/');
  const name = await readText(sysfs, `/sys/kernel/iommu_groups/${id}/name`);
  return { id, noiommu: name === NOIOMMU_NAME && !mediated };
}

/**
 * Finds the number of a device's IOMMU group.
 * @returns undefined if the device has no group, or /sys cannot be read. Never throws
 */
export async function queryGroupId(sysfs: Sysfs, devicePath: string): Promise<string | undefined> {
  return ifFound(async () => baseName(await sysfs.readlink(`${devicePath}/iommu_group`)));
}

/** Gives the driver that a device is bound to; null for none. */
export async function queryDriver(sysfs: Sysfs, devicePath: string): Promise<string | null> {
  const target = await unlessMissing(sysfs.readlink(`${devicePath}/driver`), `${devicePath}/driver`);
  return target === undefined ? null : baseName(target);
}

/** Reads the reserved ranges of a group; none where the kernel is too old to tell. */
export async function queryReservedRanges(sysfs: Sysfs, groupId: string): Promise<ReservedRange[]> {
  const text = await readText(sysfs, `/sys/kernel/iommu_groups/${groupId}/reserved_regions`);
  return text === undefined ? [] : parseReservedRanges(text);
}

/** Reads lines of `0xSTART 0xLAST TYPE`. @throws EINVAL for a line that is none */
export function parseReservedRanges(text: string): ReservedRange[] {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  return lines.map((line) => {
    const [, start, last, type] = /^\s*(0x[0-9a-f]+)\s+(0x[0-9a-f]+)\s+(\S+)\s*$/i.exec(line) ?? [];
    if (start === undefined || last === undefined || type === undefined || BigInt(last) < BigInt(start)) {
      throw systemError('EINVAL', 'read', { path: 'reserved_regions', hint: `the line '${line}' is not a range` });
    }
    return { start: BigInt(start), last: BigInt(last), type };
  });
}

/** Finds a device of the group whose driver keeps the group from being viable; undefined when none is seen. */
export async function findViabilityBlocker(sysfs: Sysfs, groupId: string): Promise<ViabilityBlocker | undefined> {
  const folder = `/sys/kernel/iommu_groups/${groupId}/devices`;
  const devices = (await unlessMissing(sysfs.readdir(folder), folder)) ?? [];
  for (const device of [...devices].sort()) {
    const driver = await queryDriver(sysfs, `${folder}/${device}`);
    if (driver !== null && !HARMLESS_DRIVERS.test(driver)) return { device, driver };
  }
  return undefined;
}

/** Makes the error of a failed access to /sys. */
export function sysfsError(error: unknown, path: string): VfioError {
  if (error instanceof VfioError) return withContext(error, { path }) as VfioError;
  const { code, syscall } = error as NodeJS.ErrnoException;
  const known = code !== undefined && isErrnoName(code) ? code : 'EIO';
  return new VfioError(`${known}: ${syscall ?? 'access'} '${path}'`, {
    code: known,
    errno: errnoNumber(known),
    syscall,
    path,
    cause: error,
  });
}

const NO_GROUP =
  'the device has no IOMMU group: turn the IOMMU on (intel_iommu=on or amd_iommu=on), or bind the device to vfio-pci with ' +
  'enable_unsafe_noiommu_mode set';
const NO_DEVICE = 'there is no such device: `vfio-engine list` shows those that are there';

async function explainMissingGroup(sysfs: Sysfs, devicePath: string, device: string, error: unknown): Promise<unknown> {
  const path = `${devicePath}/iommu_group`;
  const failure = sysfsError(error, path);
  if (failure.code !== 'ENOENT') return failure;
  const there = await ifFound(() => sysfs.exists(devicePath));
  const hint = there === undefined ? undefined : there ? NO_GROUP : NO_DEVICE;
  return systemError('ENODEV', 'readlink', { device, path, hint, cause: error });
}

/** The text of a small file without the line's end; undefined where there is no such file. */
export async function readText(sysfs: Sysfs, path: string): Promise<string | undefined> {
  // Asked for first: an error costs more than the answer.
  if (!(await sysfs.exists(path))) return undefined;
  const bytes = await unlessMissing(sysfs.readFile(path), path);
  return bytes === undefined ? undefined : Buffer.from(bytes).toString('latin1').trimEnd();
}

/** Gives what an access to /sys gives; undefined where there is no such file. @throws its other errors, with the path */
export async function unlessMissing<T>(access: Promise<T>, path: string): Promise<T | undefined> {
  try {
    return await access;
  } catch (error) {
    const failure = sysfsError(error, path);
    if (failure.code === 'ENOENT') return undefined;
    throw failure;
  }
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
