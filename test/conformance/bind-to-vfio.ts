import { readlink, writeFile } from 'node:fs/promises';
import { basename } from 'node:path';

import { linuxSysfs } from '../../lib/sysfs/linux-sysfs.js';
import { cdevOf } from './cdev-of.js';
import type { WorldGroup } from './world.js';

const PCI_DEVICES = '/sys/bus/pci/devices';

/** Binds a device of the guest to vfio-pci. */
export async function bindToVfio(bdf: string): Promise<WorldGroup> {
  await writeFile(`${PCI_DEVICES}/${bdf}/driver_override`, 'vfio-pci');
  await writeFile('/sys/bus/pci/drivers_probe', bdf);
  const name = basename(await readlink(`${PCI_DEVICES}/${bdf}/iommu_group`));
  return { name, device: bdf, cdev: await cdevOf(linuxSysfs, bdf) };
}
