import { join } from 'node:path';
import { deviceFolder, driverOf, writeText } from './sysfs.js';
import { RELEASE_MS, writeElsewhere } from './write-elsewhere.js';

/**
 * Binds a PCI function to a driver, vfio-pci unless said otherwise, by its driver_override; unbinds it from another one
 * first.
 * @param bdf whole, `0000:00:04.0`
 * @throws when it is not bound in the end
 */
export async function bind(bdf: string, driver = 'vfio-pci'): Promise<void> {
  if (driverOf(bdf) === driver) return;
  await unbind(bdf);
  writeText(driver, deviceFolder(bdf), 'driver_override');
  writeText(bdf, '/sys/bus/pci/drivers_probe');
  const bound = driverOf(bdf);
  if (bound !== driver) throw new Error(`${bdf} is bound to ${bound ?? 'no driver'}, not to ${driver}`);
}

/**
 * Unbinds a PCI function from its driver, if it has one, and lets any driver have it again. The event loop goes on
 * meanwhile, so that a user of the device in this process can answer the REQ interrupt.
 * @param timeoutMs after this it rejects, while the kernel still waits for the device's user
 */
export async function unbind(bdf: string, timeoutMs = RELEASE_MS): Promise<void> {
  if (driverOf(bdf) !== undefined) await writeElsewhere(bdf, join(deviceFolder(bdf), 'driver/unbind'), timeoutMs);
  // An empty line takes the override away.
  writeText('', deviceFolder(bdf), 'driver_override');
}

/** Gives a PCI function back to the driver that the kernel would choose; none when no driver knows it. */
export async function restore(bdf: string): Promise<void> {
  await unbind(bdf);
  writeText(bdf, '/sys/bus/pci/drivers_probe');
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
