import { basename } from 'node:path';

import { requireOneOf } from '../base/arguments.js';
import { findViabilityBlocker, type ViabilityBlocker } from './pci.js';
import { linuxSysfs } from './linux-sysfs.js';
import { requireSysfs } from './require-sysfs.js';
import type { Sysfs } from '../kernel/sysfs.js';

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
  /** Whether its group can be given to a user: no function of it has a driver of the kernel's own. Null without a group. */
  readonly viable: boolean | null;
  /** The function that keeps its group from that. */
  readonly blocker: ViabilityBlocker | null;
}

const BUSES = ['pci', 'mdev'] as const;
/** The methods of a Sysfs that the inventory calls. */
const SYSFS_METHODS = ['readlink', 'readFile', 'readdir', 'exists'] as const;

/** What is told of groups, by number: their functions share it. */
type Blockers = Map<string, ViabilityBlocker | null>;

/**
 * Lists the PCI and mediated devices of one /sys: PCI functions first, each kind in the order of their names.
 * @param sysfs default this machine's; that of a SoftwareMachine is `machine.sysfs`
 * @param kernel what the entries say of themselves in `kernel`; default `linux`
 * @throws (rejects) ERR_INVALID_ARGUMENT if `sysfs` is not a Sysfs; what reading /sys throws
 * Thread: any with an event loop.
 */
export async function listDevices(
  sysfs: Sysfs = linuxSysfs,
  kernel: InventoryEntry['kernel'] = 'linux',
): Promise<InventoryEntry[]> {
  requireSysfs(sysfs, SYSFS_METHODS);
  requireOneOf('kernel', kernel, ['linux', 'software']);
  const entries: InventoryEntry[] = [];
  const blockers: Blockers = new Map();
  for (const bus of BUSES) {
    const folder = `/sys/bus/${bus}/devices`;
    // A machine without the bus has no folder for it.
    if (!(await sysfs.exists(folder))) continue;
    for (const device of (await sysfs.readdir(folder)).sort()) {
      const facts = await queryFacts(sysfs, `${folder}/${device}`);
      const blocker = facts.group === null ? null : await blockerOf(sysfs, facts.group, blockers);
      entries.push({ device, kernel, ...facts, viable: facts.group === null ? null : blocker === null, blocker });
    }
  }
  return entries;
}

async function blockerOf(sysfs: Sysfs, group: string, known: Blockers): Promise<ViabilityBlocker | null> {
  const before = known.get(group);
  if (before !== undefined) return before;
  const blocker = (await findViabilityBlocker(sysfs, group)) ?? null;
  known.set(group, blocker);
  return blocker;
}

async function queryFacts(
  sysfs: Sysfs,
  path: string,
): Promise<Pick<InventoryEntry, 'group' | 'driver' | 'id' | 'classCode'>> {
  const [group, driver, vendor, deviceId, classCode] = await Promise.all([
    linkName(sysfs, `${path}/iommu_group`),
    linkName(sysfs, `${path}/driver`),
    attribute(sysfs, `${path}/vendor`),
    attribute(sysfs, `${path}/device`),
    attribute(sysfs, `${path}/class`),
  ]);
  const id = vendor === null || deviceId === null ? null : `${vendor}:${deviceId}`;
  return { group, driver, id, classCode };
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
