import { VFIO_IOMMU_TYPE1_DMA_UNMAP_WITH_BITMAP_MINSZ } from '../../uapi/vfio-sizes.js';
import type { DirtyRange } from '../../base/iova-range.js';
import type { DmaUnmap } from '../../kernel/kernel.js';
import { failWith } from '../base/errno-failure.js';

/** The last IOVA. */
export const U64_MAX = (1n << 64n) - 1n;

/** A dirty bitmap covers at most this many pages. Source: DIRTY_BITMAP_PAGES_MAX */
const BITMAP_PAGES_MAX = 0x7fffffffn;

/** The largest dirty bitmap, in bytes. Source: DIRTY_BITMAP_SIZE_MAX */
export const DIRTY_BITMAP_SIZE_MAX = bitmapBytes(BITMAP_PAGES_MAX);

/** Tells whether a value is a multiple of a page size, which is a power of two. */
export function isAligned(value: bigint, pageSize: bigint): boolean {
  return (value & (pageSize - 1n)) === 0n;
}

/** Checks the arguments of an unmap with VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP. @throws EINVAL */
export function checkUnmapBitmap(unmap: DmaUnmap, otherFlags: boolean): void {
  const { bitmap } = unmap;
  if (otherFlags || bitmap === undefined) failWith('EINVAL');
  if ((unmap.argsz ?? VFIO_IOMMU_TYPE1_DMA_UNMAP_WITH_BITMAP_MINSZ) < VFIO_IOMMU_TYPE1_DMA_UNMAP_WITH_BITMAP_MINSZ)
    failWith('EINVAL');
  checkBitmapSize(pagesOf(unmap.size, bitmap.pageSize), bitmap.size);
}

/** Checks the range of a GET_BITMAP. Its bitmap always has the size that the range needs. @throws EINVAL */
export function checkDirtyRange(range: DirtyRange): void {
  if (range.iova + range.size > U64_MAX) failWith('EINVAL');
  const pages = pagesOf(range.size, range.pageSize);
  checkBitmapSize(pages, bitmapBytes(pages));
}

function checkBitmapSize(pages: bigint, size: bigint): void {
  if (pages === 0n || size === 0n || size > DIRTY_BITMAP_SIZE_MAX || size < bitmapBytes(pages)) failWith('EINVAL');
}

function pagesOf(size: bigint, pageSize: bigint): bigint {
  return pageSize > 0n ? size / (pageSize & -pageSize) : 0n;
}

/** Returns the size in bytes of a bitmap with one bit for each page, in whole 64-bit words. */
export function bitmapBytes(pages: bigint): bigint {
  return ((pages + 63n) / 64n) * 8n;
}
