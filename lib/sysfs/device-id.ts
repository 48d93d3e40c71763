import { invalidArgument } from '../base/errors.js';

/** A parsed device name. `name` is what the kernel calls the device; an alias is the name of a software device. */
export type DeviceId =
  | { readonly kind: 'pci'; readonly name: string; readonly sysfsPath: string }
  | { readonly kind: 'mdev'; readonly name: string; readonly sysfsPath: string }
  | { readonly kind: 'path'; readonly name: string; readonly sysfsPath: string }
  | { readonly kind: 'alias'; readonly name: string };

const BDF = /^(?:([0-9a-f]{1,4}):)?([0-9a-f]{1,2}):([0-9a-f]{1,2})\.([0-9a-f])$/i;
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
/** The name of a software device. It has no dot and no colon: a mistyped bdf must not look like one. */
const ALIAS = /^[a-z][a-z0-9_-]*$/i;
const FORMS = 'give [dddd:]bb:dd.f, a path under /sys, the UUID of a mediated device, or the name of a software device';

/**
 * Parses the name of a device.
 * @param text `[dddd:]bb:dd.f` in hexadecimal, a path under /sys, an mdev's UUID, or the name of a software device
 * @returns its kind and its path under /sys; a bdf gets its domain and lower case
 * @throws ERR_INVALID_ARGUMENT if the text has none of these forms
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

/** Tells whether a name is a UUID: the kernel gives UUIDs to mediated devices only. Source: mdev_device_create */
export function isUuid(name: string): boolean {
  return UUID.test(name);
}

/**
 * Formats a PCI address with its domain.
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
  if (numbers[2] > 0x1f) throw invalidArgument(`the device number of '${text}' must be 00 to 1f`, FORMS);
  if (numbers[3] > 7) throw invalidArgument(`the function number of '${text}' must be 0 to 7`, FORMS);
  const name = formatBdf(...numbers);
  return { kind: 'pci', name, sysfsPath: `/sys/bus/pci/devices/${name}` };
}

/** Parses a path under /sys. Its last part must have the form of a device name of the kernel. */
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
