import type { Sysfs } from '../kernel/sysfs.js';
import { groupDevicesFolder, type GroupId } from './iommu-group.js';
import { unlessMissing } from './sysfs-access.js';

/** The name of a group's node below /dev/vfio: `26` or `noiommu-0`. */
export function groupNodeName({ id, noiommu }: GroupId): string {
  return noiommu ? `noiommu-${id}` : id;
}

/**
 * Finds the name of a device's own node below /dev/vfio/devices.
 * @param devicePath the folder of the device under /sys
 * @returns undefined if the device has no such node
 */
export async function findCdev(sysfs: Sysfs, devicePath: string): Promise<string | undefined> {
  const path = `${devicePath}/vfio-dev`;
  const names = await unlessMissing(sysfs.readdir(path), path);
  return names?.find((name) => /^vfio\d+$/.test(name));
}

/** Lists the paths of the nodes through which a process can have a device of the group. One user of any node excludes others. */
export async function groupNodes(sysfs: Sysfs, group: GroupId): Promise<string[]> {
  const folder = groupDevicesFolder(group.id);
  const devices = (await sysfs.exists(folder)) ? await sysfs.readdir(folder) : [];
  const cdevs = await Promise.all(devices.map((device) => findCdev(sysfs, `${folder}/${device}`)));
  const nodes = cdevs.flatMap((cdev) => (cdev === undefined ? [] : [`/dev/vfio/devices/${cdev}`]));
  return [`/dev/vfio/${groupNodeName(group)}`, ...nodes];
}
