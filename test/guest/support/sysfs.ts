import { existsSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';

const PCI_DEVICES = '/sys/bus/pci/devices';

/**
 * What guest specs need of /sys, on purpose without the engine: a spec of the engine sets its stage with something that
 * cannot be wrong in the same way.
 */

/** The folder of a PCI function or a mediated device. */
export function deviceFolder(name: string): string {
  return name.includes(':') ? join(PCI_DEVICES, name) : join('/sys/bus/mdev/devices', name);
}

/** Gives a file's text without its line end. */
export function readText(...path: string[]): string {
  return readFileSync(join(...path), 'utf8').trim();
}

/** The driver that a device is bound to, undefined for none. */
export function driverOf(name: string): string | undefined {
  return linkName(join(deviceFolder(name), 'driver'));
}

/** The number of a device's IOMMU group as text, undefined for none. */
export function groupOf(name: string): string | undefined {
  return linkName(join(deviceFolder(name), 'iommu_group'));
}

/**
 * What a group is called below /dev/vfio: `26`, or `noiommu-0`. The group's `name` in /sys does not tell: the kernel
 * writes `vfio-noiommu` there for the groups of mediated devices too.
 * @throws when the device has no group
 */
export function groupName(name: string): string {
  const id = groupOf(name);
  if (id === undefined) throw new Error(`${name} has no IOMMU group`);
  return existsSync(`/dev/vfio/noiommu-${id}`) ? `noiommu-${id}` : id;
}

/** The devices of a group, sorted. */
export function groupMembers(id: string): string[] {
  return readdirSync(join('/sys/kernel/iommu_groups', id, 'devices')).sort();
}

/** The bdf of every PCI function with these ids (`1234:11e8`), sorted. */
export function findDevices(ids: string): string[] {
  return readdirSync(PCI_DEVICES)
    .filter((bdf) => idsOf(bdf) === ids)
    .sort();
}

/** The vendor and device ids of a PCI function as `1234:11e8`. */
export function idsOf(bdf: string): string {
  const id = (file: string): string => readText(deviceFolder(bdf), file).replace(/^0x/, '');
  return `${id('vendor')}:${id('device')}`;
}

/** Writes a line to a file of /sys. */
export function writeText(text: string, ...path: string[]): void {
  writeFileSync(join(...path), `${text}\n`);
}

function linkName(path: string): string | undefined {
  return existsSync(path) ? basename(readlinkSync(path)) : undefined;
}
