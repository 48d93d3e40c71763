import { VfioError } from '../base/errors.js';
import { throwFirst } from '../base/unwinding.js';
import { PAGE_SIZE } from '../native/page-size.js';
import type { RegionAccess } from '../region/region-access.js';
import type { Region } from '../region/region.js';
import { requireAddress, requireBus, requirePlaceOptions, toPlaceable } from './arguments.js';
import type { GuestBus } from './guest-bus.js';
import type { PlaceOptions } from './place-options.js';
import type { PlaceableRegion } from './placeable-region.js';
import { planPlacement, type GuestAddress, type PlacementPart } from './placement-plan.js';
import { mmioLengths, pioLengths, RegionHandlers, type FaultLog } from './region-handlers.js';

/**
 * Makes a region appear to the guest: as memory where it is mapped and the address is page-aligned, by handlers
 * elsewhere. If the bus refuses a part, what was placed is removed and the error of the bus is thrown.
 * @param region `device.region(i)`, a `RegionAccess` on another thread, or a region of the emulator's own
 * @param address `{ gpa }` for memory, `{ port }` for a region of I/O ports
 * @throws ERR_INVALID_ARGUMENT for an address of the wrong kind; ERR_CLOSED if the region is closed; what the bus throws;
 *   an AggregateError of both errors if the bus also fails to remove what was placed
 * Thread: the one that calls the bus's handlers. A trapped access blocks it until the device answers, as a vCPU waits.
 */
export function placeRegion(
  bus: GuestBus,
  region: Region | RegionAccess | PlaceableRegion,
  address: GuestAddress,
  options: PlaceOptions = {},
): Placement {
  requireBus(bus);
  const placeable = toPlaceable(region);
  requireAddress(address);
  requirePlaceOptions(options);
  return new Placement(bus, placeable, address, options);
}

/** A region on a guest bus. Thread: the one that placed it. */
export class Placement {
  readonly #bus: GuestBus;
  readonly #region: PlaceableRegion;
  readonly #pageSize: number;
  readonly #faults: FaultLog;
  /** Each step removes one part, in the order of placing. */
  #undo: (() => void)[] = [];
  #address: GuestAddress | undefined;

  /** @internal Use `placeRegion`. */
  constructor(bus: GuestBus, region: PlaceableRegion, address: GuestAddress, options: PlaceOptions) {
    this.#bus = bus;
    this.#region = region;
    this.#pageSize = options.pageSize ?? PAGE_SIZE;
    this.#faults = { count: 0, report: options.onFault };
    this.#place(address);
  }

  /** The address of the region; undefined after it was removed. */
  get address(): GuestAddress | undefined {
    return this.#address;
  }

  /** The number of the guest's accesses that failed. */
  get faults(): number {
    return this.#faults.count;
  }

  /**
   * Moves the region. The guest sees it at neither address for a moment. If the bus refuses the new address, the region is
   * put back to the old one.
   * @throws ERR_CLOSED after `remove`; ERR_INVALID_ARGUMENT and the errors of the bus as for `placeRegion`; an
   *   AggregateError of both errors if the region could not be put back
   */
  move(address: GuestAddress): void {
    const from = this.#address;
    if (from === undefined) throw new VfioError('the region was removed from the bus', { code: 'ERR_CLOSED' });
    requireAddress(address);
    // Rejects an address of the wrong kind before anything changes.
    planPlacement(this.#region, address, this.#pageSize);
    this.remove();
    try {
      this.#place(address);
    } catch (error) {
      this.#putBack(from, error);
      throw error;
    }
  }

  /**
   * Removes the region from the bus. If the bus throws for a part, the other parts are still removed and the first error
   * is thrown; a further `remove` tries the remaining parts again. Removing twice has no effect.
   */
  remove(): void {
    this.#address = undefined;
    const errors: unknown[] = [];
    const left: (() => void)[] = [];
    for (const step of this.#undo.reverse()) {
      try {
        step();
      } catch (error) {
        errors.push(error);
        left.unshift(step);
      }
    }
    this.#undo = left;
    throwFirst(errors);
  }

  #putBack(address: GuestAddress, first: unknown): void {
    try {
      this.#place(address);
    } catch (second) {
      throw new AggregateError([first, second], 'the region could neither be moved nor put back', { cause: second });
    }
  }

  #place(address: GuestAddress): void {
    try {
      for (const part of planPlacement(this.#region, address, this.#pageSize)) {
        this.#undo.push(this.#placePart(part, address));
      }
    } catch (error) {
      this.#removeAfter(error);
      throw error;
    }
    this.#address = address;
  }

  #removeAfter(first: unknown): void {
    try {
      this.remove();
    } catch (second) {
      throw new AggregateError([first, second], 'the region could neither be placed nor removed as a whole', {
        cause: second,
      });
    }
  }

  /** Places one part. @returns the step that removes it */
  #placePart(part: PlacementPart, address: GuestAddress): () => void {
    const bus = this.#bus;
    if ('port' in address) {
      const { port } = address;
      bus.registerPio(port, part.size, new RegionHandlers(this.#region, 0, pioLengths, this.#faults));
      return () => bus.unregisterPio(port);
    }
    const gpa = address.gpa + BigInt(part.offset);
    if (part.kind === 'memory') {
      bus.mapMemory(gpa, part.view, { size: part.size, writable: part.writable });
      return () => bus.unmapMemory(gpa);
    }
    bus.registerMmio(gpa, part.size, new RegionHandlers(this.#region, part.offset, mmioLengths, this.#faults));
    return () => bus.unregisterMmio(gpa);
  }
}
