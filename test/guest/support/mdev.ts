import { existsSync, readdirSync } from 'node:fs';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { writeInChild } from '../../../lib/sysfs/write-in-child.js';
import { RELEASE_MS } from './binding.js';
import { deviceFolder, writeText } from './sysfs.js';

/** The kernel's sample parents of mediated devices, by what specs call their kinds. */
const PARENTS = {
  /** A serial card with one port or two: all regions trapped. */
  'mtty-1': { parent: '/sys/devices/virtual/mtty/mtty', type: 'mtty-1' },
  'mtty-2': { parent: '/sys/devices/virtual/mtty/mtty', type: 'mtty-2' },
  /** A framebuffer in three sizes: its memory BAR can be mapped. */
  'mdpy-vga': { parent: '/sys/devices/virtual/mdpy/mdpy', type: 'mdpy-vga' },
  'mdpy-xga': { parent: '/sys/devices/virtual/mdpy/mdpy', type: 'mdpy-xga' },
  'mdpy-hd': { parent: '/sys/devices/virtual/mdpy/mdpy', type: 'mdpy-hd' },
} as const;

export type MdevKind = keyof typeof PARENTS;

/**
 * Creates a mediated device.
 * @param uuid its name; one is drawn when it is left out
 * @returns the uuid
 */
export function createMdev(kind: MdevKind, uuid: string = randomUUID()): string {
  const { parent, type } = PARENTS[kind];
  writeText(uuid, parent, 'mdev_supported_types', type, 'create');
  if (!existsSync(deviceFolder(uuid))) throw new Error(`the kernel made no ${kind} ${uuid}`);
  return uuid;
}

/** Removes a mediated device. @throws while something holds it: the kernel waits, this gives up */
export function removeMdev(uuid: string, timeoutMs = RELEASE_MS): Promise<void> {
  return writeInChild(join(deviceFolder(uuid), 'remove'), '1', timeoutMs);
}

/** Removes all of them, for the end of a test. */
export async function removeMdevs(): Promise<void> {
  for (const uuid of listMdevs()) await removeMdev(uuid);
}

/** The mediated devices that exist. */
export function listMdevs(): string[] {
  return readdirSync('/sys/bus/mdev/devices').sort();
}

/** The folder that describes a kind: `available_instances`, `name`, `device_api`. */
export function mdevTypeFolder(kind: MdevKind): string {
  const { parent, type } = PARENTS[kind];
  return join(parent, 'mdev_supported_types', type);
}
