import {
  isObject,
  isPowerOfTwo,
  requireFunction,
  requireOptions,
  requireUint64,
  requireInteger,
  shown,
} from '../base/arguments.js';
import { invalidArgument } from '../base/errors.js';
import type { RegionAccess } from '../region/region-access.js';
import { requireDescriptor } from '../region/descriptor.js';
import type { Region } from '../region/region.js';
import type { GuestBus } from './guest-bus.js';
import type { PlaceableRegion } from './placeable-region.js';
import type { PlaceOptions } from './place-options.js';
import type { GuestAddress } from './placement-plan.js';
import { RegionPort } from './region-port.js';

const BUS_METHODS = [
  'mapMemory',
  'unmapMemory',
  'registerMmio',
  'unregisterMmio',
  'registerPio',
  'unregisterPio',
] as const satisfies readonly (keyof GuestBus)[];

/** The number of I/O ports. */
export const PORT_COUNT = 0x10000;

/** Checks that a value has all methods of a bus. @throws ERR_INVALID_ARGUMENT */
export function requireBus(bus: GuestBus): void {
  if (!isObject(bus)) throw invalidArgument(`\`bus\` must be a GuestBus. Received ${shown(bus)}`);
  const missing = BUS_METHODS.find((method) => typeof bus[method] !== 'function');
  if (missing === undefined) return;
  throw invalidArgument(`\`bus\` must be a GuestBus, which has the method ${missing}. Received ${shown(bus)}`);
}

/**
 * Derives what placing needs from a region of a device, and returns a `PlaceableRegion` as it is.
 * @throws ERR_INVALID_ARGUMENT for another value; ERR_CLOSED if the region is closed
 */
export function toPlaceable(region: Region | RegionAccess | PlaceableRegion): PlaceableRegion {
  if (isObject(region) && 'descriptor' in region) return placeableOf(region);
  if (isObject(region) && isObject(region.accessor) && Array.isArray(region.areas)) return region;
  throw invalidArgument(`\`region\` must be a Region, a RegionAccess or a PlaceableRegion. Received ${shown(region)}`);
}

function placeableOf({ descriptor, areas }: Region | RegionAccess): PlaceableRegion {
  requireDescriptor(descriptor);
  const { regionIndex, size, readable, writable, ioPort, handle } = descriptor;
  return { regionIndex, size, readable, writable, ioPort, areas, accessor: new RegionPort(handle) };
}

/** Checks the form of an address; whether it fits a region is decided by `planPlacement`. @throws ERR_INVALID_ARGUMENT */
export function requireAddress(address: GuestAddress): void {
  if (isObject(address) && 'gpa' in address) return requireUint64('gpa', address.gpa);
  if (isObject(address) && 'port' in address) return requirePort(address.port);
  throw invalidArgument(`\`address\` must be an object with a \`gpa\` or a \`port\`. Received ${shown(address)}`);
}

/** Checks the number of an I/O port. @throws ERR_INVALID_ARGUMENT */
export function requirePort(port: number): void {
  requireInteger('port', port, 0, PORT_COUNT - 1);
}

/** Checks the settings of a placement. @throws ERR_INVALID_ARGUMENT */
export function requirePlaceOptions(options: PlaceOptions): void {
  requireOptions(options);
  const { pageSize, onFault } = options;
  if (pageSize !== undefined && !isPowerOfTwo(pageSize)) {
    throw invalidArgument(`\`pageSize\` must be a power of two. Received ${shown(pageSize)}`);
  }
  if (onFault !== undefined) requireFunction('onFault', onFault);
}
