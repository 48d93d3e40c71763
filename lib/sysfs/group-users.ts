import { describeFileUsers } from './file-users.js';
import type { VfioKernel } from '../kernel/kernel.js';
import { findViabilityBlocker, unlessMissing, type GroupId } from './pci.js';
import type { Sysfs } from '../kernel/sysfs.js';

/** Says which function, by which driver, keeps a group from being viable; undefined when none is seen. */
export async function describeViabilityBlocker(sysfs: Sysfs, groupId: string): Promise<string | undefined> {
  const blocker = await findViabilityBlocker(sysfs, groupId);
  if (blocker === undefined) return undefined;
  return `${blocker.device} of the same group is bound to ${blocker.driver}: bind it to vfio-pci or to no driver`;
}

/**
 * Says which processes have a group, by its own file or by the node of one of its functions.
 * @returns undefined when none is seen, and for a kernel whose processes /proc does not show
 */
export async function describeGroupUsers(kernel: VfioKernel, group: GroupId): Promise<string | undefined> {
  if (kernel.kind !== 'linux') return undefined;
  return describeFileUsers([...(await groupFiles(kernel.sysfs, group))]);
}

/** Gives the files by which a group's functions can be had: one user of any shuts out the others. */
async function groupFiles(sysfs: Sysfs, { id, noiommu }: GroupId): Promise<string[]> {
  const folder = `/sys/kernel/iommu_groups/${id}/devices`;
  const devices = (await sysfs.exists(folder)) ? await sysfs.readdir(folder) : [];
  const cdevs = await Promise.all(devices.map((device) => findCdev(sysfs, `${folder}/${device}`)));
  const nodes = cdevs.flatMap((cdev) => (cdev === undefined ? [] : [`/dev/vfio/devices/${cdev}`]));
  return [`/dev/vfio/${noiommu ? `noiommu-${id}` : id}`, ...nodes];
}

/** Finds a device's own node below /dev/vfio/devices; undefined for a device without one. @param sysfsPath its folder */
export async function findCdev(sysfs: Sysfs, sysfsPath: string): Promise<string | undefined> {
  const path = `${sysfsPath}/vfio-dev`;
  const names = await unlessMissing(sysfs.readdir(path), path);
  return names?.find((name) => /^vfio\d+$/.test(name));
}
