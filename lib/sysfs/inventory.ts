import { requireOneOf } from '../base/arguments.js';
import { queryDriver } from './driver.js';
import { findViabilityBlocker, type ViabilityBlocker } from './iommu-group.js';
import { linuxSysfs } from './linux-sysfs.js';
import { requireSysfs } from './require-sysfs.js';
import { readLinkName, readText } from './sysfs-access.js';
import type { Sysfs } from '../kernel/sysfs.js';

/** A device as /sys shows it. */
export interface InventoryEntry {
  /** The bdf of a PCI function, or the UUID of a mediated device. */
  readonly device: string;
  /** `linux` for a device of this machine, `software` for a device of a SoftwareMachine. */
  readonly kernel: 'linux' | 'software';
  /** The number of its IOMMU group; null if it has no group. */
  readonly group: string | null;
  /** The driver that it is bound to; null if it has none. */
  readonly driver: string | null;
  /** `vendor:device` in hexadecimal; null if /sys shows no ids. */
  readonly id: string | null;
  /** Class, subclass and programming interface: 6 hexadecimal digits; null if /sys shows none. */
  readonly classCode: string | null;
  /** Whether its group is viable: no device of the group has a kernel driver that uses DMA. Null if it has no group. */
  readonly viable: boolean | null;
  /** The device that makes its group not viable; null if there is none. */
  readonly blocker: ViabilityBlocker | null;
}

const BUSES = ['pci', 'mdev'] as const;
/** The methods of a Sysfs that the inventory calls. */
const INVENTORY_METHODS = ['readlink', 'readFile', 'readdir', 'exists'] as const;

/** The blocker of each group that was looked at, by the number of the group. */
type KnownBlockers = Map<string, ViabilityBlocker | null>;

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
  requireSysfs(sysfs, INVENTORY_METHODS);
  requireOneOf('kernel', kernel, ['linux', 'software']);
  const entries: InventoryEntry[] = [];
  const known: KnownBlockers = new Map();
  for (const bus of BUSES) {
    const folder = `/sys/bus/${bus}/devices`;
    // Without devices of a bus there is no folder for it.
    if (!(await sysfs.exists(folder))) continue;
    for (const device of (await sysfs.readdir(folder)).sort()) {
      const facts = await queryFacts(sysfs, `${folder}/${device}`);
      const blocker = facts.group === null ? null : await blockerOf(sysfs, facts.group, known);
      entries.push({ device, kernel, ...facts, viable: facts.group === null ? null : blocker === null, blocker });
    }
  }
  return entries;
}

async function blockerOf(sysfs: Sysfs, group: string, known: KnownBlockers): Promise<ViabilityBlocker | null> {
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
    readLinkName(sysfs, `${path}/iommu_group`),
    queryDriver(sysfs, path),
    attribute(sysfs, `${path}/vendor`),
    attribute(sysfs, `${path}/device`),
    attribute(sysfs, `${path}/class`),
  ]);
  const id = vendor === null || deviceId === null ? null : `${vendor}:${deviceId}`;
  return { group: group ?? null, driver, id, classCode };
}

/** Reads a hexadecimal attribute without its 0x. @returns null if the file does not exist */
async function attribute(sysfs: Sysfs, path: string): Promise<string | null> {
  return (await readText(sysfs, path))?.trim().replace(/^0x/, '') ?? null;
}
