import {
  argumentError,
  requireArray,
  requireBoolean,
  requireFunction,
  requireNumber,
  requireObject,
  requireOneOf,
  requireOptions,
  requireString,
  requireUint64,
  requireInteger,
} from '../../base/arguments.js';
import type { ReservedRange } from '../../base/iova-range.js';
import type { DeviceOptions, MachineOptions, ProcessOptions } from './machine-options.js';

/** Checks the options of a machine. @throws ERR_INVALID_ARGUMENT */
export function checkMachineOptions(options: MachineOptions): void {
  requireOptions(options);
  requireBooleans(options, ['iommu', 'interruptRemapping', 'allowUnsafeInterrupts', 'noiommu', 'iommufd']);
  requireBooleans(options, ['dirtyTracking', 'transparentHugepages']);
  checkOptional('dmaEntryLimit', options.dmaEntryLimit, (name, value) => requireInteger(name, value, 0));
  checkOptional('addressWidth', options.addressWidth, requireAddressWidth);
  checkOptional('reservedRegions', options.reservedRegions, requireRanges);
  checkOptional('pageSizes', options.pageSizes, (name, value) => {
    requireUint64(name, value);
    if (value === 0n) throw argumentError(name, 'a sum of page sizes', value);
  });
  checkOptional('createDomain', options.createDomain, requireFunction);
  checkOptional('probeMemory', options.probeMemory, requireFunction);
}

/** Checks the options of a process. @throws ERR_INVALID_ARGUMENT */
export function checkProcessOptions(options: ProcessOptions): void {
  requireOptions(options);
  requireBooleans(options, ['capSysRawio', 'capIpcLock']);
  checkOptional('memlockLimit', options.memlockLimit, (name, value) => requireNumber(name, value, 0, Infinity));
}

/** Checks the options of a device, except for its model, which is checked when it is loaded. @throws ERR_INVALID_ARGUMENT */
export function checkDeviceOptions(options: DeviceOptions): void {
  requireOptions(options);
  requireString('name', options.name);
  requireBooleans(options, ['isolatedInterrupts', 'enforcesCoherency']);
  checkOptional('group', options.group, (name, value) => requireInteger(name, value, 0));
  checkOptional('placement', options.placement, (name, value) => requireOneOf(name, value, ['thread', 'process']));
  if (options.driver !== null) checkOptional('driver', options.driver, requireString);
  checkOptional('nativeDriver', options.nativeDriver, requireString);
  checkOptional('addressWidth', options.addressWidth, requireAddressWidth);
  checkOptional('reservedRegions', options.reservedRegions, requireRanges);
  checkOptional('start', options.start, requireFunction);
  checkOptional('match', options.match, requireFunction);
  checkOptional('identity', options.identity, (name, identity) => {
    requireObject(name, identity);
    requireInteger('identity.vendorId', identity.vendorId, 0, 0xffff);
    requireInteger('identity.deviceId', identity.deviceId, 0, 0xffff);
    requireInteger('identity.classCode', identity.classCode, 0, 0xffffff);
  });
}

function checkOptional<T>(name: string, value: T | undefined, check: (name: string, value: T) => void): void {
  if (value !== undefined) check(name, value);
}

function requireBooleans<K extends string>(options: { readonly [key in K]?: boolean }, names: readonly K[]): void {
  for (const name of names) requireBoolean(name, options[name]);
}

function requireAddressWidth(name: string, value: number): void {
  requireInteger(name, value, 1, 64);
}

function requireRanges(name: string, ranges: readonly ReservedRange[]): void {
  requireArray(name, ranges);
  ranges.forEach((range, index) => {
    const item = `${name}[${index}]`;
    requireObject(item, range);
    requireUint64(`${item}.start`, range.start);
    requireUint64(`${item}.last`, range.last);
    requireString(`${item}.type`, range.type);
    if (range.last < range.start)
      throw argumentError(`${item}.last`, `at least ${range.start}n, its start`, range.last);
  });
}
