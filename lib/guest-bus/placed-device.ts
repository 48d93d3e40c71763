import { isObject, requireFunction, shown } from '../base/arguments.js';
import { invalidArgument, systemError } from '../base/errors.js';
import { throwFirst } from '../base/unwinding.js';
import type { RegionAccess } from '../region/region-access.js';
import type { Region } from '../region/region.js';
import { requireBus, requirePlaceOptions, toPlaceable } from './arguments.js';
import { decodedAddress, reachesDecoding } from './bar-decoding.js';
import type { GuestBus } from './guest-bus.js';
import type { PlaceableRegion } from './placeable-region.js';
import type { PlaceOptions } from './place-options.js';
import { placeRegion, type Placement } from './placement.js';
import type { GuestAddress } from './placement-plan.js';
import { mmioLengths, RegionHandlers, type FaultLog } from './region-handlers.js';

/** The regions of a device that `placeDevice` places. */
export interface PlaceableDevice {
  /** The config region. Its BARs keep what the guest writes, as those of vfio-pci do. */
  readonly config: Region | RegionAccess | PlaceableRegion;
  /** The regions of BAR 0 to 5 (index 0 to 5) and of the ROM (index 6); undefined or of size 0 if the device has none. */
  readonly regions: readonly (Region | RegionAccess | PlaceableRegion | undefined)[];
}

/** Settings of a placed device. */
export interface PlaceDeviceOptions extends PlaceOptions {
  /**
   * Called when the bus refuses the address that the guest chose. The region is then off the bus until the guest programs
   * another address.
   */
  readonly onRefused?: (regionIndex: number, address: GuestAddress, error: unknown) => void;
}

/**
 * Places a device on a guest bus. The emulator sends the guest's config accesses to it. The regions of the device appear,
 * move and disappear as the guest programs the BARs and turns decoding on and off.
 * @throws ERR_INVALID_ARGUMENT if an argument is not what its type says; ERR_CLOSED if a region is closed; the errno of a
 *   config space that cannot be read
 * Thread: the one that calls the bus's handlers.
 */
export function placeDevice(bus: GuestBus, device: PlaceableDevice, options: PlaceDeviceOptions = {}): PlacedDevice {
  requireBus(bus);
  if (!isObject(device) || !Array.isArray(device.regions)) {
    throw invalidArgument(`\`device\` must be an object with \`config\` and \`regions\`. Received ${shown(device)}`);
  }
  requirePlaceOptions(options);
  if (options.onRefused !== undefined) requireFunction('onRefused', options.onRefused);
  return new PlacedDevice(bus, device, options);
}

/** A device on a guest bus. Thread: the one that placed it. */
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
    this.#regions = device.regions.map((region) => (region === undefined ? undefined : toPlaceable(region)));
    this.#configRegion = toPlaceable(device.config);
    this.#options = options;
    this.#faults = { count: 0, report: options.onFault };
    this.#config = new RegionHandlers(this.#configRegion, 0, mmioLengths, this.#faults);
    this.#update();
  }

  /** Returns the address of a region on the bus; undefined if it is not on the bus. */
  address(regionIndex: number): GuestAddress | undefined {
    return this.#placements.get(regionIndex)?.address;
  }

  /** The number of the guest's config accesses that failed. */
  get faults(): number {
    return this.#faults.count;
  }

  /** Answers the guest's read of config space. @see AccessHandlers.read */
  readConfig(offset: number, data: Uint8Array, length: number): boolean {
    return this.#config.read(offset, data, length);
  }

  /** Makes the guest's write to config space, then moves the regions whose BARs it changed. @see AccessHandlers.write */
  writeConfig(offset: number, data: Uint8Array, length: number): boolean {
    const written = this.#config.write(offset, data, length);
    if (written && reachesDecoding(offset, length)) this.#update();
    return written;
  }

  /** Removes all regions from the bus, even if some fail. @throws the first error, the further ones as its cause */
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
    throwFirst(errors);
  }

  /** Removes regions before it places others: the guest may have swapped two BARs. */
  #update(): void {
    const read = (offset: number): number => this.#read(offset);
    const wanted = this.#regions.map((region, index) =>
      region === undefined ? undefined : decodedAddress(region, index, read),
    );
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
      // The guest chose the address and cannot catch an error: the region stays off the bus.
      this.#options.onRefused?.(index, address, error);
    }
  }

  /** Reads 32 bits of config space, even if the region is not readable. @throws the errno of a device that is gone */
  #read(offset: number): number {
    const { accessor } = this.#configRegion;
    const status = accessor.read(offset, 4, new Uint8Array(this.#register.buffer), 0);
    if (status !== 0) throw systemError(-status, 'pread', { path: `config space at 0x${offset.toString(16)}` });
    return this.#register.getUint32(0, true);
  }
}

function sameAddress(one: GuestAddress | undefined, other: GuestAddress | undefined): boolean {
  if (one === undefined || other === undefined) return one === other;
  if ('port' in one) return 'port' in other && one.port === other.port;
  return 'gpa' in other && one.gpa === other.gpa;
}
