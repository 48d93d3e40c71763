import { deviceFolder, driverOf, writeText } from './sysfs.js';

/**
 * Binds a PCI function to a driver, vfio-pci unless said otherwise, by its driver_override; unbinds it from another one
 * first. Blocks while the kernel waits for that driver's users.
 * @param bdf whole, `0000:00:04.0`
 * @throws when it is not bound in the end
 */
export function bind(bdf: string, driver = 'vfio-pci'): void {
  if (driverOf(bdf) === driver) return;
  unbind(bdf);
  writeText(driver, deviceFolder(bdf), 'driver_override');
  writeText(bdf, '/sys/bus/pci/drivers_probe');
  const bound = driverOf(bdf);
  if (bound !== driver) throw new Error(`${bdf} is bound to ${bound ?? 'no driver'}, not to ${driver}`);
}

/** Unbinds a PCI function from its driver, if it has one, and lets any driver have it again. */
export function unbind(bdf: string): void {
  if (driverOf(bdf) !== undefined) writeText(bdf, deviceFolder(bdf), 'driver/unbind');
  // An empty line takes the override away.
  writeText('', deviceFolder(bdf), 'driver_override');
}

/** Gives a PCI function back to the driver that the kernel would choose; none when no driver knows it. */
export function restore(bdf: string): void {
  unbind(bdf);
  writeText(bdf, '/sys/bus/pci/drivers_probe');
}

/** Binds functions for the length of a piece of work and gives them back, whatever happens. */
export async function whileBound<T>(bdfs: readonly string[], work: () => T | Promise<T>): Promise<T> {
  try {
    for (const bdf of bdfs) bind(bdf);
    return await work();
  } finally {
    for (const bdf of bdfs) restore(bdf);
  }
}
