import type { IovaRange } from '../backends/backend.js';
import { RangeTree } from './range-tree.js';

/** What an allocation asks for, in bytes. */
export interface IovaRequest {
  readonly size: bigint;
  /** A power of two, at least the page size. */
  readonly alignment: bigint;
  /** The last IOVA that may be used. */
  readonly limit: bigint;
}

/** Devices that a driver has left half-programmed read and write low addresses: none are given out by choice. */
const LOWEST_CHOSEN = 0x10000n;

/**
 * The free IOVAs of an address space. Every cost is O(log n) but that of changing the ranges, and that of an alignment
 * above the size, which passes by every hole that is long enough and not aligned.
 */
export class IovaAllocator {
  readonly #shift: bigint;
  readonly #free = new RangeTree<undefined>();
  #ranges: readonly IovaRange[] = [];

  /** @param pageSize bytes, a power of two */
  constructor(
    readonly pageSize: number,
    ranges: readonly IovaRange[],
  ) {
    this.#shift = BigInt(Math.log2(pageSize));
    this.setRanges(ranges, []);
  }

  /** The ranges that can be mapped, ascending. */
  get ranges(): readonly IovaRange[] {
    return this.#ranges;
  }

  /** Changes what can be mapped. @param used what is mapped, within the new ranges or not */
  setRanges(ranges: readonly IovaRange[], used: Iterable<IovaRange>): void {
    this.#ranges = ranges;
    this.#free.clear();
    for (const { start, last } of ranges) {
      const [first, end] = [this.#pageUp(start), this.#page(last + 1n) - 1];
      if (first <= end) this.#free.add(first, end, undefined);
    }
    for (const { start, last } of used) this.#cut(this.#page(start), this.#page(last));
  }

  /** Finds and takes the lowest free IOVA; undefined when nothing fits. */
  allocate({ size, alignment, limit }: IovaRequest): bigint | undefined {
    const page = this.#free.firstFit({
      length: this.#page(size),
      alignment: this.#page(alignment),
      min: this.#page(LOWEST_CHOSEN),
      max: this.#page(limit + 1n) - 1,
    });
    if (page === undefined) return undefined;
    this.#cut(page, page + this.#page(size) - 1);
    return BigInt(page) << this.#shift;
  }

  /** Takes a range. @returns false when part of it is taken or cannot be mapped */
  reserve(iova: bigint, size: bigint): boolean {
    const [start, last] = [this.#page(iova), this.#page(iova + size) - 1];
    const free = this.#free.overlapping(start, last);
    if (free === undefined || free.start > start || free.last < last) return false;
    this.#cut(start, last);
    return true;
  }

  /** Gives a range back; what the ranges no longer hold of it is forgotten. */
  release(iova: bigint, size: bigint): void {
    const last = iova + size - 1n;
    for (const range of this.#ranges) {
      const from = range.start > iova ? range.start : iova;
      const to = range.last < last ? range.last : last;
      if (from > to) continue;
      const [first, end] = [this.#pageUp(from), this.#page(to + 1n) - 1];
      if (first <= end) this.#join(first, end, this.#pageUp(range.start), this.#page(range.last + 1n) - 1);
    }
  }

  /** Tells whether all of a range can be mapped, taken or not. */
  allows(iova: bigint, size: bigint): boolean {
    return this.#ranges.some(({ start, last }) => start <= iova && iova + size - 1n <= last);
  }

  /** Adds a free range and joins it with its neighbours of the same range of the kernel's. */
  #join(start: number, last: number, lowest: number, highest: number): void {
    let [first, end] = [start, last];
    const before = start > lowest ? this.#free.overlapping(start - 1, start - 1) : undefined;
    const after = last < highest ? this.#free.overlapping(last + 1, last + 1) : undefined;
    if (before !== undefined) {
      first = before.start;
      this.#free.delete(before.start);
    }
    if (after !== undefined) {
      end = after.last;
      this.#free.delete(after.start);
    }
    this.#free.add(first, end, undefined);
  }

  /** Takes pages out of the free ranges that hold them. */
  #cut(start: number, last: number): void {
    for (let free = this.#free.overlapping(start, last); free; free = this.#free.overlapping(start, last)) {
      this.#free.delete(free.start);
      if (free.start < start) this.#free.add(free.start, start - 1, undefined);
      if (free.last > last) this.#free.add(last + 1, free.last, undefined);
    }
  }

  #page(bytes: bigint): number {
    return Number(bytes >> this.#shift);
  }

  #pageUp(bytes: bigint): number {
    return Number((bytes + BigInt(this.pageSize) - 1n) >> this.#shift);
  }
}

/** Gives what two lists of ascending ranges have in common. */
export function intersect(one: readonly IovaRange[], other: readonly IovaRange[]): IovaRange[] {
  const common: IovaRange[] = [];
  for (const a of one) {
    for (const b of other) {
      const start = a.start > b.start ? a.start : b.start;
      const last = a.last < b.last ? a.last : b.last;
      if (start <= last) common.push({ start, last });
    }
  }
  return common;
}

/** Gives what is left of ascending ranges without others. */
export function subtract(ranges: readonly IovaRange[], holes: readonly IovaRange[]): IovaRange[] {
  let left = [...ranges];
  for (const hole of holes) {
    left = left.flatMap(({ start, last }) => {
      if (hole.last < start || hole.start > last) return [{ start, last }];
      const parts: IovaRange[] = [];
      if (hole.start > start) parts.push({ start, last: hole.start - 1n });
      if (hole.last < last) parts.push({ start: hole.last + 1n, last });
      return parts;
    });
  }
  return left;
}
