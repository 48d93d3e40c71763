import { VfioError } from '../base/errors.js';
import { PAGE_SIZE } from '../native/page-size.js';
import type { GuestBus } from './guest-bus.js';
import { mmioLengths, pioLengths, RegionHandlers, type FaultLog, type GuestFault } from './region-handlers.js';
import type { PlaceableRegion } from './placeable-region.js';
import { placeable, type OpenRegion } from './region-port.js';
import { planPlacement, type GuestAddress, type Piece } from './placement-plan.js';

/** Settings of a placement. */
export interface PlaceOptions {
  /** Granule of guest memory, bytes, a power of two. Default: the machine's page size. */
  readonly pageSize?: number;
  /** Told of each access that could not be made, besides the count. A guest can cause these at will: keep it cheap. */
  readonly onFault?: (fault: GuestFault) => void;
}

/**
 * Makes a region appear to the guest: as memory where it is mapped and the address is page-aligned, by handlers
 * otherwise. When the bus refuses any part, what was placed is taken back and the bus's error is thrown.
 * @param region of a device: `device.region(i)`, or on another thread a `RegionAccess`
 * @param address `{ gpa }` for memory, `{ port }` for a region of I/O ports
 * @throws ERR_INVALID_ARGUMENT for an address of the wrong kind, and whatever the bus throws
 * Thread: the one that runs the bus's handlers. A trapped access blocks it until the device answers, as a vCPU waits.
 */
export function placeRegion(
  bus: GuestBus,
  region: OpenRegion | PlaceableRegion,
  address: GuestAddress,
  options: PlaceOptions = {},
): Placement {
  return new Placement(bus, placeable(region), address, options);
}

/** A region's place on a guest bus. */
export class Placement {
  readonly #bus: GuestBus;
  readonly #region: PlaceableRegion;
  readonly #pageSize: number;
  readonly #faults: FaultLog;
  /** What takes each piece back, in the order of placing. */
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

  /** Where the region is; undefined when it was removed. */
  get address(): GuestAddress | undefined {
    return this.#address;
  }

  /** Counts the guest's accesses that could not be made. */
  get faults(): number {
    return this.#faults.count;
  }

  /**
   * Moves the region. The guest sees it at neither address for a moment. When the bus refuses the new one, the region
   * is put back where it was.
   * @throws ERR_CLOSED after `remove`; ERR_INVALID_ARGUMENT and the bus's errors as for `placeRegion`
   */
  move(address: GuestAddress): void {
    const from = this.#address;
    if (from === undefined) throw new VfioError('the region was removed from the bus', { code: 'ERR_CLOSED' });
    // An address of the wrong kind is refused before anything is touched.
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
   * Takes the region off the bus. Where the bus throws, the rest is removed all the same, the first error is thrown and
   * another `remove` tries again what is left. Removing twice does nothing.
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
    if (errors.length > 0) throw errors[0];
  }

  #putBack(address: GuestAddress, first: unknown): void {
    try {
      this.#place(address);
    } catch (second) {
      throw new AggregateError([first, second], 'the region could neither be moved nor put back', {
        cause: second,
      });
    }
  }

  #place(address: GuestAddress): void {
    try {
      for (const piece of planPlacement(this.#region, address, this.#pageSize)) {
        this.#undo.push(this.#placePiece(piece, address));
      }
    } catch (error) {
      this.#takeBack(error);
      throw error;
    }
    this.#address = address;
  }

  #takeBack(first: unknown): void {
    try {
      this.remove();
    } catch (second) {
      throw new AggregateError([first, second], 'the region could not be placed, nor all of it taken back', {
        cause: second,
      });
    }
  }

  #placePiece(piece: Piece, address: GuestAddress): () => void {
    const bus = this.#bus;
    if ('port' in address) {
      const { port } = address;
      bus.registerPio(port, piece.size, new RegionHandlers(this.#region, 0, pioLengths, this.#faults));
      return () => bus.unregisterPio(port);
    }
    const gpa = address.gpa + BigInt(piece.offset);
    if (piece.kind === 'memory') {
      bus.mapMemory(gpa, piece.view, { size: piece.size, writable: piece.writable });
      return () => bus.unmapMemory(gpa);
    }
    bus.registerMmio(gpa, piece.size, new RegionHandlers(this.#region, piece.offset, mmioLengths, this.#faults));
    return () => bus.unregisterMmio(gpa);
  }
}
