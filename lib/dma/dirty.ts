import { requireUint64 } from '../arguments.js';
import { invalidArgument, systemError, VfioError } from '../errors.js';
import type { MappingRecord, WrittenPages } from './mapping-table.js';
import { PAGE_SIZE } from './memory.js';

/** The most pages that a kernel tells of at a time. Source: DIRTY_BITMAP_PAGES_MAX */
const MOST_PAGES = 0x7fffffffn;

/**
 * Makes the bitmap for a range: a bit a page, the first in bit 0 of byte 0.
 * @throws ERR_INVALID_ARGUMENT for a page size that is none, and for a range of too many pages
 */
export function bitmapFor(size: bigint, pageSize: bigint): Uint8Array {
  requireUint64('size', size);
  requireUint64('pageSize', pageSize);
  if (pageSize < BigInt(PAGE_SIZE) || (pageSize & (pageSize - 1n)) !== 0n) {
    throw invalidArgument(`pageSize is ${pageSize}n`, `give a power of two from ${PAGE_SIZE}n on, of dirtyPageSizes`);
  }
  const pages = (size + pageSize - 1n) / pageSize;
  if (pages > MOST_PAGES) throw invalidArgument(`${pages} pages are too many`, `ask for ${MOST_PAGES} at a time`);
  return new Uint8Array(Number((pages + 7n) / 8n));
}

/** What a record's targets have told so far. @throws ERR_INVALID_ARGUMENT where they told it in other pages */
export function writtenOf(record: MappingRecord, pageSize: bigint): WrittenPages {
  record.written ??= { bitmap: bitmapFor(record.size, pageSize), pageSize };
  if (record.written.pageSize === pageSize) return record.written;
  throw invalidArgument(`part of it is unmapped, and its pages are told in ${record.written.pageSize} bytes`);
}

/** Adds what another target tells. */
export function join(target: Uint8Array, source: Uint8Array): void {
  for (let index = 0; index < target.length; index += 1) target[index]! |= source[index] ?? 0;
}

/** The error of an IOMMU that does not track. */
export function noTracking(): VfioError {
  const cause = systemError('ENOTTY', 'ioctl(VFIO_IOMMU_DIRTY_PAGES)');
  return new VfioError('the IOMMU does not track dirty pages', { code: 'ERR_NOT_SUPPORTED', cause });
}
