import type { IovaRange } from '../../base/iova-range.js';
import { IovaAllocator } from './iova-allocator.js';
import type { MappingTable } from '../space/mapping-table.js';
import { PAGE_SIZE } from '../../native/page-size.js';
import type { SpaceRequest } from '../space/space-request.js';

/** What of a space can be mapped, where it is asked of it. */
interface Room {
  /** Ascending. */
  readonly ranges: readonly IovaRange[];
  /** The smallest page that every target can map, bytes. */
  readonly pageSize: bigint;
}

/** The IOVAs of a space that are free; an allocator is made when one is asked for. Thread: the space's. */
export class SpaceIovas {
  readonly #mappings: MappingTable;
  /** The ranges that it was made of may not be the last ones any more. */
  #allocator: { readonly iovas: IovaAllocator; ranges: readonly IovaRange[] } | undefined;

  constructor(mappings: MappingTable) {
    this.#mappings = mappings;
  }

  /** @returns undefined where the range is not to be had */
  take({ iova, size, alignment, preferredAlignment, limit }: SpaceRequest, room: Room): bigint | undefined {
    const iovas = this.#for(room.ranges);
    if (iova !== undefined) return iovas.reserve(iova, size) ? iova : undefined;
    const first = iovas.allocate({ size, alignment: alignment ?? preferredAlignment, limit });
    if (first !== undefined || alignment !== undefined || preferredAlignment <= room.pageSize) return first;
    return iovas.allocate({ size, alignment: room.pageSize, limit });
  }

  release(iova: bigint, size: bigint): void {
    this.#allocator?.iovas.release(iova, size);
  }

  /** It starts anew with other ranges, which takes time in proportion to what is mapped. */
  #for(ranges: readonly IovaRange[]): IovaAllocator {
    const current = this.#allocator;
    if (current !== undefined && (current.ranges === ranges || sameRanges(current.ranges, ranges))) {
      current.ranges = ranges;
      return current.iovas;
    }
    const iovas = new IovaAllocator(PAGE_SIZE, ranges, this.#mappings.ranges());
    this.#allocator = { iovas, ranges };
    return iovas;
  }
}

function sameRanges(one: readonly IovaRange[], other: readonly IovaRange[]): boolean {
  if (one.length !== other.length) return false;
  return one.every(({ start, last }, index) => start === other[index]?.start && last === other[index]?.last);
}
