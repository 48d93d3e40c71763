import type { IovaRange } from '../../base/iova-range.js';
import { PAGE_SIZE } from '../../native/page-size.js';
import { sameRanges } from './iova-ranges.js';
import { RangeTree, type PageRange } from './range-tree.js';

/** Which IOVA a mapping gets: a fixed one, or the rules by which one is chosen. */
export interface IovaChoice {
  /** A fixed IOVA; undefined: one is chosen. */
  readonly iova: bigint | undefined;
  /** The alignment that a chosen IOVA must have, bytes, a power of two; undefined: the preferred one, or a page. */
  readonly alignment: bigint | undefined;
  /** The alignment that is tried first if none is required, so that the IOMMU can use larger pages; bytes. */
  readonly preferredAlignment: bigint;
  /** The last IOVA that may be chosen. */
  readonly limit: bigint;
}

/** The IOVAs that a space can map. */
interface MappableIovas {
  /** Ascending. */
  readonly ranges: readonly IovaRange[];
  /** The smallest page that every IOMMU object of the space can map, bytes. */
  readonly pageSize: bigint;
}

/** The IOVAs of a space that are free. It makes an allocator when the first one is asked for. Thread: the space's. */
export class FreeIovas {
  readonly #mapped: () => Iterable<IovaRange>;
  #allocator: { readonly iovas: IovaAllocator; ranges: readonly IovaRange[] } | undefined;

  /** @param mapped returns the ranges that are mapped now */
  constructor(mapped: () => Iterable<IovaRange>) {
    this.#mapped = mapped;
  }

  /**
   * Takes a range.
   * @param size bytes, a multiple of the page size
   * @returns its first IOVA; undefined if no free range fits
   */
  take(choice: IovaChoice, size: bigint, mappable: MappableIovas): bigint | undefined {
    const { iova, alignment, preferredAlignment, limit } = choice;
    const iovas = this.#allocatorOf(mappable.ranges);
    if (iova !== undefined) return iovas.reserve(iova, size) ? iova : undefined;
    const first = iovas.allocate({ size, alignment: alignment ?? preferredAlignment, limit });
    if (first !== undefined || alignment !== undefined || preferredAlignment <= mappable.pageSize) return first;
    return iovas.allocate({ size, alignment: mappable.pageSize, limit });
  }

  /** Makes a range free again. */
  release(iova: bigint, size: bigint): void {
    this.#allocator?.iovas.release(iova, size);
  }

  /** Makes a new allocator if the ranges have changed, which takes time in proportion to the number of mappings. */
  #allocatorOf(ranges: readonly IovaRange[]): IovaAllocator {
    const current = this.#allocator;
    if (current !== undefined && (current.ranges === ranges || sameRanges(current.ranges, ranges))) {
      // The comparison by identity is faster the next time.
      current.ranges = ranges;
      return current.iovas;
    }
    const iovas = new IovaAllocator(PAGE_SIZE, ranges, this.#mapped());
    this.#allocator = { iovas, ranges };
    return iovas;
  }
}

/** A range of IOVAs to be chosen. */
export interface IovaRequest {
  /** Bytes, a multiple of the page size. */
  readonly size: bigint;
  /** Bytes, a power of two, at least the page size. */
  readonly alignment: bigint;
  /** The last IOVA that the range may hold. */
  readonly limit: bigint;
}

/** The lowest IOVA that is chosen: a device whose driver has not programmed it fully reads and writes low addresses. */
const LOWEST_CHOSEN = 0x10000n;

/**
 * Allocates IOVAs: the lowest that fits. Every operation costs O(log n) for any size and alignment, except the constructor
 * and the first request of an alignment, which cost O(n).
 */
export class IovaAllocator {
  readonly #shift: bigint;
  readonly #free: RangeTree;
  /** The ranges that can be mapped, in whole pages. */
  readonly #pages: readonly { readonly first: number; readonly last: number }[];

  /**
   * @param pageSize bytes, a power of two
   * @param ranges the IOVAs that can be mapped, ascending
   * @param used the IOVAs that are mapped, inside the ranges or not
   */
  constructor(
    readonly pageSize: number,
    ranges: readonly IovaRange[],
    used: Iterable<IovaRange> = [],
  ) {
    this.#shift = BigInt(Math.log2(pageSize));
    this.#free = new RangeTree(this.#page(LOWEST_CHOSEN));
    this.#pages = ranges
      .map(({ start, last }) => ({ first: this.#pageUp(start), last: this.#page(last + 1n) - 1 }))
      .filter(({ first, last }) => first <= last);
    for (const { first, last } of this.#pages) this.#free.add(first, last);
    for (const { start, last } of used) this.#cutAll(this.#page(start), this.#page(last));
  }

  /** Takes the lowest free range. @returns its first IOVA; undefined if no free range fits */
  allocate({ size, alignment, limit }: IovaRequest): bigint | undefined {
    const page = this.#free.firstFit({
      length: this.#page(size),
      alignment: this.#page(alignment),
      max: this.#page(limit + 1n) - 1,
    });
    if (page === undefined) return undefined;
    const free = this.#free.overlapping(page, page);
    if (free !== undefined) this.#cut(free, page, page + this.#page(size) - 1);
    return BigInt(page) << this.#shift;
  }

  /** Takes a range. @param size bytes @returns false if a part of it is taken or cannot be mapped */
  reserve(iova: bigint, size: bigint): boolean {
    const [start, last] = [this.#page(iova), this.#page(iova + size) - 1];
    const free = this.#free.overlapping(start, last);
    if (free === undefined || free.start > start || free.last < last) return false;
    this.#cut(free, start, last);
    return true;
  }

  /** Makes a range free again, as far as it can be mapped. @param size bytes */
  release(iova: bigint, size: bigint): void {
    const [start, end] = [this.#page(iova), this.#page(iova + size) - 1];
    for (const { first, last } of this.#pages) {
      const [from, to] = [Math.max(first, start), Math.min(last, end)];
      if (from <= to) this.#join(from, to, first, last);
    }
  }

  /** Adds free pages and joins them with their free neighbours in the same range of the kernel, `lowest` to `highest`. */
  #join(start: number, last: number, lowest: number, highest: number): void {
    const before = start > lowest ? this.#free.overlapping(start - 1, start - 1) : undefined;
    const after = last < highest ? this.#free.overlapping(last + 1, last + 1) : undefined;
    if (before !== undefined && after !== undefined) this.#free.delete(after.start);
    if (before !== undefined) this.#free.resize(before.start, before.start, after?.last ?? last);
    else if (after !== undefined) this.#free.resize(after.start, start, after.last);
    else this.#free.add(start, last);
  }

  /** Removes pages from all free ranges that hold a part of them. */
  #cutAll(start: number, last: number): void {
    for (let free = this.#free.overlapping(start, last); free; free = this.#free.overlapping(start, last)) {
      this.#cut(free, Math.max(start, free.start), Math.min(last, free.last));
    }
  }

  /** Removes pages from the free range that holds all of them. */
  #cut(free: PageRange, start: number, last: number): void {
    if (free.start < start) this.#free.resize(free.start, free.start, start - 1);
    else if (free.last > last) this.#free.resize(free.start, last + 1, free.last);
    else this.#free.delete(free.start);
    if (free.start < start && free.last > last) this.#free.add(last + 1, free.last);
  }

  #page(bytes: bigint): number {
    return Number(bytes >> this.#shift);
  }

  #pageUp(bytes: bigint): number {
    return Number((bytes + BigInt(this.pageSize) - 1n) >> this.#shift);
  }
}
