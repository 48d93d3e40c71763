import { basename } from 'node:path';

import type { Sysfs } from '../sysfs.js';

/** A device that could be attached, as /sys shows it. */
export interface InventoryEntry {
  /** The bdf, or the UUID of a mediated device. */
  readonly device: string;
  readonly kernel: 'linux' | 'software';
  /** The IOMMU group's number or name; null without an IOMMU. */
  readonly group: string | null;
  /** The driver that it is bound to, null for none. */
  readonly driver: string | null;
  /** vendor:device, null for a device without them. */
  readonly id: string | null;
  /** 24 bits of class, subclass and programming interface. */
  readonly classCode: string | null;
}

const BUSES = ['pci', 'mdev'] as const;

/** Lists the PCI and mediated devices of one /sys, in the order of their names. */
export async function takeInventory(sysfs: Sysfs, kernel: InventoryEntry['kernel']): Promise<InventoryEntry[]> {
  const entries: InventoryEntry[] = [];
  for (const bus of BUSES) {
    const folder = `/sys/bus/${bus}/devices`;
    // A machine without the bus has no folder for it.
    if (!(await sysfs.exists(folder))) continue;
    for (const device of (await sysfs.readdir(folder)).sort()) {
      entries.push(await describe(sysfs, `${folder}/${device}`, device, kernel));
    }
  }
  return entries;
}

async function describe(
  sysfs: Sysfs,
  path: string,
  device: string,
  kernel: InventoryEntry['kernel'],
): Promise<InventoryEntry> {
  const [group, driver, vendor, deviceId, classCode] = await Promise.all([
    linkName(sysfs, `${path}/iommu_group`),
    linkName(sysfs, `${path}/driver`),
    attribute(sysfs, `${path}/vendor`),
    attribute(sysfs, `${path}/device`),
    attribute(sysfs, `${path}/class`),
  ]);
  const id = vendor === null || deviceId === null ? null : `${vendor}:${deviceId}`;
  return { device, kernel, group, driver, id, classCode };
}

/** The last part of what a link points to; null when there is no such link. */
async function linkName(sysfs: Sysfs, path: string): Promise<string | null> {
  return (await sysfs.exists(path)) ? basename(await sysfs.readlink(path)) : null;
}

/** A hexadecimal attribute without its 0x; null when there is no such file. */
async function attribute(sysfs: Sysfs, path: string): Promise<string | null> {
  if (!(await sysfs.exists(path))) return null;
  return Buffer.from(await sysfs.readFile(path))
    .toString('latin1')
    .trim()
    .replace(/^0x/, '');
}
