import { invalidArgument } from '../base/errors.js';

/** What the name of a device means. */
export type DeviceId =
  | { readonly kind: 'pci'; readonly name: string; readonly sysfsPath: string }
  | { readonly kind: 'mdev'; readonly name: string; readonly sysfsPath: string }
  | { readonly kind: 'path'; readonly name: string; readonly sysfsPath: string }
  | { readonly kind: 'alias'; readonly name: string };

const BDF = /^(?:([0-9a-f]{1,4}):)?([0-9a-f]{1,2}):([0-9a-f]{1,2})\.([0-9a-f])$/i;
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
/** The name of a device of the software core; no dot nor colon, so that a mistyped bdf is not taken for one. */
const ALIAS = /^[a-z][a-z0-9_-]*$/i;
const FORMS = 'a device is [dddd:]bb:dd.f, a path under /sys, the UUID of a mediated device, or the name of a model';

/**
 * Reads the name of a device.
 * @param text `[dddd:]bb:dd.f` in hexadecimal, a path under /sys, an mdev's UUID, or the name of a software device
 * @returns what it means; a bdf comes back whole and in lower case
 * @throws ERR_INVALID_ARGUMENT for anything else
 */
export function parseDeviceId(text: string): DeviceId {
  if (text.startsWith('/')) return parsePath(text);
  const bdf = BDF.exec(text);
  if (bdf !== null) return pciId(bdf, text);
  if (UUID.test(text)) {
    const name = text.toLowerCase();
    return { kind: 'mdev', name, sysfsPath: `/sys/bus/mdev/devices/${name}` };
  }
  if (ALIAS.test(text)) return { kind: 'alias', name: text };
  throw invalidArgument(`'${text}' is not the name of a device`, FORMS);
}

/** Tells the name of a mediated device: the kernel names them, and nothing else, by a UUID. Source: mdev_device_create */
export function isUuid(name: string): boolean {
  return UUID.test(name);
}

/**
 * Writes a PCI address in full.
 * @param domain 0 to 0xffff
 * @param bus 0 to 0xff
 * @param slot 0 to 0x1f
 * @param fn 0 to 7
 */
export function formatBdf(domain: number, bus: number, slot: number, fn: number): string {
  return `${hex(domain, 4)}:${hex(bus, 2)}:${hex(slot, 2)}.${fn}`;
}

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, '0');
}

function pciId([, domain = '0', bus = '', slot = '', fn = '']: RegExpExecArray, text: string): DeviceId {
  const numbers = [domain, bus, slot, fn].map((part) => parseInt(part, 16)) as [number, number, number, number];
  if (numbers[2] > 0x1f) throw invalidArgument(`'${text}': a PCI bus has devices 00 to 1f`, FORMS);
  if (numbers[3] > 7) throw invalidArgument(`'${text}': a PCI device has functions 0 to 7`, FORMS);
  const name = formatBdf(...numbers);
  return { kind: 'pci', name, sysfsPath: `/sys/bus/pci/devices/${name}` };
}

/** The last part of the path is what the kernel calls the device, so it has to be one of the kernel's names. */
function parsePath(text: string): DeviceId {
  const path = text.replace(/\/+$/, '');
  const parts = path.split('/').slice(1);
  const name = parts.at(-1) ?? '';
  if (parts[0] !== 'sys' || parts.length < 3 || parts.some((part) => part === '' || part === '.' || part === '..')) {
    throw invalidArgument(`'${text}' is not the path of a device under /sys`, FORMS);
  }
  if (!BDF.test(name) && !UUID.test(name) && !/^[\w.:-]+$/.test(name)) {
    throw invalidArgument(`'${text}' does not end in the name of a device`, FORMS);
  }
  return { kind: 'path', name, sysfsPath: path };
}
