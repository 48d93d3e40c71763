import type { VfioKernel } from '../kernel/kernel.js';
import type { Sysfs } from '../kernel/sysfs.js';
import { describeFileUsers } from './file-users.js';
import { findViabilityBlocker, type GroupId } from './iommu-group.js';
import { groupNodes } from './vfio-nodes.js';

/** Describes the device and the driver that make a group not viable, for a hint. @returns undefined if there is none */
export async function describeViabilityBlocker(sysfs: Sysfs, groupId: string): Promise<string | undefined> {
  const blocker = await findViabilityBlocker(sysfs, groupId);
  if (blocker === undefined) return undefined;
  return `${blocker.device} of the same group is bound to ${blocker.driver}: bind it to vfio-pci or to no driver`;
}

/**
 * Describes the processes that have a node of a group open, for a hint.
 * @returns undefined if none is seen, and for the software core, whose processes are not in /proc
 */
export async function describeGroupUsers(kernel: VfioKernel, group: GroupId): Promise<string | undefined> {
  if (kernel.kind !== 'linux') return undefined;
  return describeFileUsers(await groupNodes(kernel.sysfs, group));
}
