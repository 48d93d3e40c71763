import { argumentError, requireUint64 } from './arguments.js';
import { invalidArgument } from './errors.js';
import { SMALLEST_IOMMU_PAGE, type DirtyRange } from './iova-range.js';

/** A range with its bitmap: a bit for each page, the first page in bit 0 of byte 0. */
interface DirtyRecord extends DirtyRange {
  readonly bitmap: Uint8Array;
}

/** The most pages that type1 reports in one call. Source: vfio_iommu_type1.c, DIRTY_BITMAP_PAGES_MAX */
const MOST_PAGES = 0x7fffffffn;

/**
 * Makes the bitmap of a range.
 * @throws ERR_INVALID_ARGUMENT if the page size is not a power of two of at least 4096, or the range has too many pages
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

/** Sets the bits of `source` in `target`. */
function join(target: Uint8Array, source: Uint8Array): void {
  for (let index = 0; index < target.length; index += 1) target[index]! |= source[index] ?? 0;
}

/**
 * Dirty pages that the caller has not got. Reading a dirty bitmap clears it in the kernel: if a later step of the same call
 * fails, the pages that were read are kept here. The next call for their range reports them, whatever its page size.
 * Thread: the one that made it.
 */
export class UnreportedPages {
  #kept: DirtyRecord[] = [];

  /**
   * Reads bitmaps of a range one after the other and joins them. If a read fails, the bits of the reads before it are kept.
   * @throws ERR_INVALID_ARGUMENT for a wrong range; the error of the read that failed
   */
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

  /** Keeps the dirty pages of a bitmap for the next call. */
  keep(range: DirtyRange, bitmap: Uint8Array): void {
    if (bitmap.some((byte) => byte !== 0)) this.#kept.push({ ...range, bitmap });
  }

  /** Forgets the pages of a range that is no longer mapped. */
  forget(iova: bigint, size: bigint): void {
    if (this.#kept.length > 0) this.#move({ iova, size, pageSize: SMALLEST_IOMMU_PAGE });
  }

  /** Forgets all pages. */
  forgetAll(): void {
    this.#kept = [];
  }

  #move(range: DirtyRange, bitmap?: Uint8Array): void {
    for (const kept of this.#kept) move(kept, range, bitmap);
    this.#kept = this.#kept.filter((kept) => kept.bitmap.some((byte) => byte !== 0));
  }
}

/** Moves the dirty pages of a range to its bitmap. A page that lies only partly in the range also stays kept. */
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
