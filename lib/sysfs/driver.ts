import type { Sysfs } from '../kernel/sysfs.js';
import { readLinkName } from './sysfs-access.js';

/** Reads the name of the driver that a device is bound to. @returns null if it has no driver */
export async function queryDriver(sysfs: Sysfs, devicePath: string): Promise<string | null> {
  return (await readLinkName(sysfs, `${devicePath}/driver`)) ?? null;
}
