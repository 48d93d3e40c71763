import { Op, SLOT } from '../layout/slot.js';
import { addon } from '../native/addon.js';
import type { RegionHandle } from '../native/lane.js';
import type { AccessPort } from './placeable-region.js';

/**
 * Accesses to a region of the addon's table, on the calling thread: a load or a store where the region is mapped, a
 * transfer elsewhere. Each one is a program of one slot, whose value and status are bytes, so that nothing is allocated.
 */
export class RegionPort implements AccessPort {
  readonly #slot = new Uint8Array(new SharedArrayBuffer(SLOT.size));
  readonly #words = new Int32Array(this.#slot.buffer);
  readonly #program = addon.programCreate(this.#slot.buffer);

  constructor(handle: RegionHandle) {
    this.#words[SLOT.region >> 2] = addon.reachAddRegion(this.#program, handle);
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

  /** Writes the offset as two words: a region of 4 GiB or more has offsets of more than 32 bits. */
  #run(op: number, width: number, regionOffset: number): number {
    this.#words[0] = op | (width << 8);
    this.#words[SLOT.offset >> 2] = regionOffset | 0;
    this.#words[(SLOT.offset >> 2) + 1] = Math.floor(regionOffset / 0x1_0000_0000);
    addon.programRun(this.#program, 1);
    return this.#words[SLOT.status >> 2] ?? 0;
  }
}
