import { systemError } from '../base/errors.js';
import type { GuestBus } from './guest-bus.js';
import { mmioLengths, RegionHandlers, type FaultLog } from './region-handlers.js';
import type { PlaceableRegion } from './placeable-region.js';
import { placeRegion, type Placement, type PlaceOptions } from './placement.js';
import type { GuestAddress } from './placement-plan.js';
import { placeable, type OpenRegion } from './region-port.js';

/** What following a guest's BAR writes needs of a device. */
export interface PlaceableDevice {
  /** The config region; its BARs keep what the guest writes, as vfio-pci's do. */
  readonly config: OpenRegion | PlaceableRegion;
  /** The regions of BAR 0 to 5 (0 to 5) and of the ROM (6); undefined or of size 0 where the device has none. */
  readonly regions: readonly (OpenRegion | PlaceableRegion | undefined)[];
}

/** Settings of a placed device. */
export interface PlaceDeviceOptions extends PlaceOptions {
  /** Told when the bus refuses the address that the guest chose; the region is then off the bus until the next one. */
  readonly onRefused?: (regionIndex: number, address: GuestAddress, error: unknown) => void;
}

const COMMAND = 0x04;
const COMMAND_IO = 1 << 0;
const COMMAND_MEMORY = 1 << 1;
const BAR0 = 0x10;
const BAR_IO = 1 << 0;
const BAR_TYPE = 3 << 1;
const BAR_TYPE_64 = 2 << 1;
const ROM_INDEX = 6;
const ROM_BAR = 0x30;
const ROM_ENABLE = 1 << 0;

/**
 * Puts a device on a guest bus: the guest's config accesses go through it, and its BARs appear, move and vanish as the
 * guest programs them and turns decoding on and off.
 * Thread: the one that runs the bus's handlers.
 */
export function placeDevice(bus: GuestBus, device: PlaceableDevice, options: PlaceDeviceOptions = {}): PlacedDevice {
  return new PlacedDevice(bus, device, options);
}

/** A device on a guest bus. */
export class PlacedDevice {
  readonly #bus: GuestBus;
  readonly #regions: readonly (PlaceableRegion | undefined)[];
  readonly #configRegion: PlaceableRegion;
  readonly #options: PlaceDeviceOptions;
  readonly #config: RegionHandlers;
  readonly #faults: FaultLog;
  readonly #placements = new Map<number, Placement>();
  readonly #register = new DataView(new ArrayBuffer(4));

  /** @internal Use `placeDevice`. */
  constructor(bus: GuestBus, device: PlaceableDevice, options: PlaceDeviceOptions) {
    this.#bus = bus;
    this.#regions = device.regions.map((region) => (region === undefined ? undefined : placeable(region)));
    this.#configRegion = placeable(device.config);
    this.#options = options;
    this.#faults = { count: 0, report: options.onFault };
    this.#config = new RegionHandlers(this.#configRegion, 0, mmioLengths, this.#faults);
    this.#update();
  }

  /** Gives where a region is on the bus; undefined where it is not. */
  address(regionIndex: number): GuestAddress | undefined {
    return this.#placements.get(regionIndex)?.address;
  }

  /** Counts the guest's config accesses that could not be made. */
  get faults(): number {
    return this.#faults.count;
  }

  /** Answers the guest's read of config space. @see AccessHandlers.read */
  readConfig(offset: number, data: Uint8Array, length: number): boolean {
    return this.#config.read(offset, data, length);
  }

  /** Makes the guest's write to config space and follows what it did to the BARs. @see AccessHandlers.write */
  writeConfig(offset: number, data: Uint8Array, length: number): boolean {
    const written = this.#config.write(offset, data, length);
    if (written && touchesDecoding(offset, length)) this.#update();
    return written;
  }

  /** Takes all regions off the bus, whatever fails, and throws the first error. */
  remove(): void {
    const errors: unknown[] = [];
    for (const [index, placement] of this.#placements) {
      try {
        placement.remove();
        this.#placements.delete(index);
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw errors[0];
  }

  /** Takes off what is to go before it places anything: the guest may have swapped two BARs. */
  #update(): void {
    const wanted = this.#regions.map((region, index) => this.#wanted(region, index));
    for (const [index, placement] of this.#placements) {
      if (sameAddress(placement.address, wanted[index])) continue;
      placement.remove();
      this.#placements.delete(index);
    }
    wanted.forEach((address, index) => {
      if (address !== undefined && !this.#placements.has(index)) this.#place(index, address);
    });
  }

  #place(index: number, address: GuestAddress): void {
    const region = this.#regions[index];
    if (region === undefined) return;
    try {
      this.#placements.set(index, placeRegion(this.#bus, region, address, this.#options));
    } catch (error) {
      // The guest chose the address and has no one to catch an error: the region just does not decode.
      this.#options.onRefused?.(index, address, error);
    }
  }

  #wanted(region: PlaceableRegion | undefined, index: number): GuestAddress | undefined {
    if (region === undefined || region.size === 0) return undefined;
    const command = this.#read(COMMAND) & 0xffff;
    const low = this.#read(index === ROM_INDEX ? ROM_BAR : BAR0 + 4 * index);
    if (index === ROM_INDEX)
      return (low & ROM_ENABLE) === 0 ? undefined : memoryAddress(low & ~0x7ff, 0, command, region);
    if ((low & BAR_IO) !== 0) return portAddress(low, command, region);
    const high = (low & BAR_TYPE) === BAR_TYPE_64 ? this.#read(BAR0 + 4 * (index + 1)) : 0;
    return memoryAddress(low & ~0xf, high, command, region);
  }

  /** Reads 32 bits of config space as they are, whether or not the guest could. @throws the errno of a device that is gone */
  #read(offset: number): number {
    const { accessor } = this.#configRegion;
    const status = accessor.read(offset, 4, new Uint8Array(this.#register.buffer), 0);
    if (status !== 0) throw systemError(-status, 'pread', { path: `config space at 0x${offset.toString(16)}` });
    return this.#register.getUint32(0, true);
  }
}

/** An address of 0, and one of all ones, which a guest writes to learn the size, are no addresses. */
function memoryAddress(low: number, high: number, command: number, region: PlaceableRegion): GuestAddress | undefined {
  if ((command & COMMAND_MEMORY) === 0) return undefined;
  const gpa = (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
  const past = gpa + BigInt(region.size);
  return gpa === 0n || past === 1n << 32n || past === 1n << 64n ? undefined : { gpa };
}

function portAddress(low: number, command: number, region: PlaceableRegion): GuestAddress | undefined {
  if ((command & COMMAND_IO) === 0) return undefined;
  const port = (low & ~3) >>> 0;
  return port === 0 || port + region.size > 0x10000 ? undefined : { port };
}

function sameAddress(one: GuestAddress | undefined, other: GuestAddress | undefined): boolean {
  if (one === undefined || other === undefined) return one === other;
  if ('port' in one) return 'port' in other && one.port === other.port;
  return 'gpa' in other && one.gpa === other.gpa;
}

/** Whether a config write reaches the command register, a BAR or the ROM's BAR. */
function touchesDecoding(offset: number, length: number): boolean {
  const reaches = (start: number, end: number): boolean => offset < end && offset + length > start;
  return reaches(COMMAND, COMMAND + 2) || reaches(BAR0, BAR0 + 24) || reaches(ROM_BAR, ROM_BAR + 4);
}
