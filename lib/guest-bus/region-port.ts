import { Op, SLOT } from '../layout/slot.js';
import { addon } from '../native/addon.js';
import type { RegionDescriptor } from '../region/descriptor.js';
import type { AccessPort, MappedArea, PlaceableRegion } from './placeable-region.js';

/** `Region` where the device was attached, `RegionAccess` on any other thread. */
export interface OpenRegion {
  readonly descriptor: RegionDescriptor;
  readonly areas: readonly MappedArea[];
}

/** Gives what placing needs of a region of a device; one that has it already stays as it is. */
export function placeable(region: OpenRegion | PlaceableRegion): PlaceableRegion {
  if (!('descriptor' in region)) return region;
  const { regionIndex, size, readable, writable, ioPort, handle } = region.descriptor;
  return { regionIndex, size, readable, writable, ioPort, areas: region.areas, accessor: new RegionPort(handle) };
}

/**
 * Accesses to a region of the addon's table, on this thread: a load or a store where the region is mapped, a transfer
 * elsewhere. They go through one slot of a program, whose value and status are bytes, so that nothing is allocated.
 */
class RegionPort implements AccessPort {
  readonly #slot = new Uint8Array(SLOT.size);
  readonly #words = new Int32Array(this.#slot.buffer);

  constructor(handle: number) {
    this.#words[SLOT.region >> 2] = handle;
  }

  read(regionOffset: number, width: number, data: Uint8Array, at: number): number {
    const status = this.#run(Op.read, width, regionOffset);
    for (let i = 0; i < width; i++) data[at + i] = this.#slot[SLOT.value + i] ?? 0;
    return status;
  }

  write(regionOffset: number, width: number, data: Uint8Array, at: number): number {
    for (let i = 0; i < width; i++) this.#slot[SLOT.value + i] = data[at + i] ?? 0;
    return this.#run(Op.write, width, regionOffset);
  }

  /** Regions of 4 GiB and more have offsets that one word does not hold. */
  #run(op: number, width: number, regionOffset: number): number {
    this.#words[0] = op | (width << 8);
    this.#words[SLOT.offset >> 2] = regionOffset | 0;
    this.#words[(SLOT.offset >> 2) + 1] = Math.floor(regionOffset / 0x1_0000_0000);
    addon.programRun(this.#slot, 1);
    return this.#words[SLOT.status >> 2] ?? 0;
  }
}
