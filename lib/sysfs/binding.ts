import { requireOptions, requireString } from '../base/arguments.js';
import { VfioError } from '../base/errors.js';
import { Unwinding } from '../base/unwinding.js';
import { BindableFunction, type BindTarget } from './bindable-function.js';

/** How `bindDriver` binds a function. */
export interface BindOptions extends BindTarget {
  /** The name of the driver; default `vfio-pci`. */
  readonly driver?: string;
}

/** What `bindDriver` or `restoreDriver` changed. */
export interface DriverChange {
  /** The bdf with its domain: `0000:01:00.0`. */
  readonly device: string;
  /** The driver before the call; null if there was none. */
  readonly before: string | null;
  /** The driver now; null if there is none. */
  readonly driver: string | null;
}

/** The drivers for user space. `restoreDriver` takes the device from these drivers only. */
const USER_SPACE_DRIVERS = /vfio|^pci-stub$/;

/**
 * Binds a PCI function to a driver for user space. Takes it from the driver that it has, through `driver_override`, so that
 * other devices with the same ids are not touched. If a step fails, the function gets its old driver back. After ERR_TIMEOUT it
 * does not: the kernel still waits for the user of the device, then takes the old driver away, and the function has no driver.
 * @param device `[dddd:]bb:dd.f`
 * @throws (rejects) ERR_INVALID_ARGUMENT if `device` is not a PCI function or an option is wrong; ENODEV if the function or the
 *   driver does not exist, or the driver refuses the function; ERR_TIMEOUT if a user keeps the device; EACCES without permission
 * Thread: any with an event loop. Source: drivers/pci/pci-driver.c (driver_override), drivers/base/bus.c
 */
export async function bindDriver(device: string, options: BindOptions = {}): Promise<DriverChange> {
  requireOptions(options);
  const { driver = 'vfio-pci' } = options;
  requireString('driver', driver);
  const pci = await BindableFunction.find(device, options);
  await pci.requireDriver(driver);
  const before = await pci.driver();
  if (before === driver) return { device: pci.name, before, driver };
  const override = await pci.override();
  const undo = new Unwinding();
  try {
    await pci.setOverride(driver);
    undo.push(async () => {
      await pci.setOverride(override);
      if ((await pci.driver()) === null && before !== null) await pci.probe();
    });
    if (before !== null) await pci.unbind();
    await pci.probe();
    const now = await pci.driver();
    if (now !== driver) throw pci.refusedBy(driver, now);
    return { device: pci.name, before, driver };
  } catch (error) {
    // While the kernel waits for the user it keeps the function locked: the override cannot be written back.
    if (error instanceof VfioError && error.code === 'ERR_TIMEOUT') throw error;
    throw await undo.failed(error);
  }
}

/**
 * Binds a PCI function to the driver that the kernel chooses for it. If no driver knows it, it has none afterwards.
 * @param device `[dddd:]bb:dd.f`
 * @throws (rejects) as `bindDriver`
 * Thread: any with an event loop.
 */
export async function restoreDriver(device: string, options: Omit<BindOptions, 'driver'> = {}): Promise<DriverChange> {
  requireOptions(options);
  const pci = await BindableFunction.find(device, options);
  const before = await pci.driver();
  await pci.setOverride(undefined);
  if (before !== null && !USER_SPACE_DRIVERS.test(before)) return { device: pci.name, before, driver: before };
  if (before !== null) await pci.unbind();
  await pci.probe();
  return { device: pci.name, before, driver: await pci.driver() };
}
