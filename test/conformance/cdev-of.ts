import type { Sysfs } from '../../lib/kernel/sysfs.js';
import { findCdev } from '../../lib/sysfs/vfio-nodes.js';

/** Finds the name of the node that a device bound to vfio-pci has below /dev/vfio/devices. */
export async function cdevOf(sysfs: Sysfs, bdf: string): Promise<string> {
  const cdev = await findCdev(sysfs, `/sys/bus/pci/devices/${bdf}`);
  if (cdev === undefined) throw new Error(`${bdf} has no node below /dev/vfio/devices`);
  return cdev;
}
