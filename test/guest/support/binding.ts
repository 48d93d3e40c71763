import { join } from 'node:path';
import { bindDriver, restoreDriver } from '../../../lib/sysfs/binding.js';
import { writeInChild } from '../../../lib/sysfs/write-in-child.js';
import { deviceFolder, driverOf, writeText } from './sysfs.js';

/** How long taking a device away may last; the kernel itself waits for the device's last user without end. */
export const RELEASE_MS = 15_000;

/** Binds a PCI function to a driver. @param bdf whole, `0000:00:04.0` */
export async function bind(bdf: string, driver = 'vfio-pci'): Promise<void> {
  await bindDriver(bdf, { driver });
}

/**
 * Leaves a PCI function without a driver. The event loop goes on meanwhile, so that a user of the device in this process
 * can answer the REQ interrupt.
 */
export async function unbind(bdf: string): Promise<void> {
  if (driverOf(bdf) !== undefined) await writeInChild(join(deviceFolder(bdf), 'driver/unbind'), bdf, RELEASE_MS);
  // An empty line takes the override away.
  writeText('', deviceFolder(bdf), 'driver_override');
}

/** Gives a PCI function back to the driver that the kernel would choose; none when no driver knows it. */
export async function restore(bdf: string): Promise<void> {
  await restoreDriver(bdf);
}

/** Binds functions for the length of a piece of work and gives them back, whatever happens. */
export async function whileBound<T>(bdfs: readonly string[], work: () => T | Promise<T>): Promise<T> {
  try {
    for (const bdf of bdfs) await bind(bdf);
    return await work();
  } finally {
    for (const bdf of bdfs) await restore(bdf);
  }
}
