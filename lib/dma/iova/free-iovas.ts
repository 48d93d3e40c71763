import type { IovaRange } from '../../base/iova-range.js';
import { PAGE_SIZE } from '../../native/page-size.js';
import { IovaAllocator } from './iova-allocator.js';
import { sameRanges } from './iova-ranges.js';

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
