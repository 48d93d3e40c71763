import { argumentError, requireUint64 } from './arguments.js';
import { invalidArgument } from './errors.js';
import { SMALLEST_IOMMU_PAGE, type DirtyRange } from './iova-range.js';

/** A bitmap has a bit a page, the first in bit 0 of byte 0. */
interface DirtyRecord extends DirtyRange {
  readonly bitmap: Uint8Array;
}

/** The most pages that a kernel tells of at a time. Source: DIRTY_BITMAP_PAGES_MAX */
const MOST_PAGES = 0x7fffffffn;

/**
 * Makes the bitmap of a range.
 * @throws ERR_INVALID_ARGUMENT for a page size that is none, and for a range of too many pages
 */
function bitmapFor({ iova, size, pageSize }: DirtyRange): Uint8Array {
  requireUint64('iova', iova);
  requireUint64('size', size);
  requireUint64('pageSize', pageSize);
  if (pageSize < SMALLEST_IOMMU_PAGE || (pageSize & (pageSize - 1n)) !== 0n) {
    throw argumentError(
      'pageSize',
      `a power of two of at least ${SMALLEST_IOMMU_PAGE}n, of \`dirtyPageSizes\``,
      pageSize,
    );
  }
  const pages = (size + pageSize - 1n) / pageSize;
  if (pages > MOST_PAGES) {
    throw invalidArgument(`a range of ${pages} pages is too large for one call; the most is ${MOST_PAGES}`);
  }
  return new Uint8Array(Number((pages + 7n) / 8n));
}

/** Adds what another one tells. */
function join(target: Uint8Array, source: Uint8Array): void {
  for (let index = 0; index < target.length; index += 1) target[index]! |= source[index] ?? 0;
}

/**
 * Pages whose record was read, and so made clean, by a call that then failed. Who asks next is told of them, in whatever
 * ranges and page sizes.
 */
export class UnreportedPages {
  #kept: DirtyRecord[] = [];

  /** Reads records one after the other and joins them; what was read before one fails is kept. */
  async read(range: DirtyRange, records: Iterable<() => Promise<Uint8Array>>): Promise<Uint8Array> {
    const bitmap = bitmapFor(range);
    this.#move(range, bitmap);
    try {
      for (const record of records) join(bitmap, await record());
      return bitmap;
    } catch (error) {
      this.keep(range, bitmap);
      throw error;
    }
  }

  keep(range: DirtyRange, bitmap: Uint8Array): void {
    if (bitmap.some((byte) => byte !== 0)) this.#kept.push({ ...range, bitmap });
  }

  /** Forgets those of a range: what was there is there no more. */
  forget(iova: bigint, size: bigint): void {
    if (this.#kept.length > 0) this.#move({ iova, size, pageSize: SMALLEST_IOMMU_PAGE });
  }

  forgetAll(): void {
    this.#kept = [];
  }

  #move(range: DirtyRange, bitmap?: Uint8Array): void {
    for (const kept of this.#kept) move(kept, range, bitmap);
    this.#kept = this.#kept.filter((kept) => kept.bitmap.some((byte) => byte !== 0));
  }
}

/** A page that was only asked for in part stays for who asks for the rest. */
function move(kept: DirtyRecord, range: DirtyRange, bitmap: Uint8Array | undefined): void {
  const end = range.iova + range.size;
  for (let page = 0; page < kept.bitmap.length * 8; page += 1) {
    if ((kept.bitmap[page >> 3]! & (1 << (page & 7))) === 0) continue;
    const start = kept.iova + BigInt(page) * kept.pageSize;
    const stop = start + kept.pageSize;
    if (stop <= range.iova || end <= start) continue;
    if (bitmap !== undefined) mark({ ...range, bitmap }, max(start, range.iova), stop > end ? end : stop);
    if (range.iova <= start && stop <= end) kept.bitmap[page >> 3]! &= ~(1 << (page & 7));
  }
}

function mark({ iova, pageSize, bitmap }: DirtyRecord, start: bigint, stop: bigint): void {
  const last = Number((stop - 1n - iova) / pageSize);
  for (let page = Number((start - iova) / pageSize); page <= last; page += 1) bitmap[page >> 3]! |= 1 << (page & 7);
}

function max(one: bigint, other: bigint): bigint {
  return one > other ? one : other;
}
