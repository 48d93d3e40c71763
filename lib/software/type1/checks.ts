import type { DmaUnmap } from '../../kernel/kernel.js';
import { refuse } from '../refusal.js';

export const U64_MAX = (1n << 64n) - 1n;

/** sizeof(struct vfio_iommu_type1_dma_unmap) with a struct vfio_bitmap behind it */
const UNMAP_WITH_BITMAP_SIZE = 48;
/** The most pages that a dirty bitmap may speak of. Source: DIRTY_BITMAP_PAGES_MAX */
const BITMAP_PAGES_MAX = 0x7fffffffn;

export const DIRTY_BITMAP_SIZE_MAX = bitmapBytes(BITMAP_PAGES_MAX);

export function isAligned(value: bigint, pageSize: bigint): boolean {
  return (value & (pageSize - 1n)) === 0n;
}

/** Checks what goes with VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP. @throws EINVAL */
export function checkUnmapBitmap(unmap: DmaUnmap, otherFlags: boolean): void {
  const { bitmap } = unmap;
  if (otherFlags || bitmap === undefined) refuse('EINVAL');
  if ((unmap.argsz ?? UNMAP_WITH_BITMAP_SIZE) < UNMAP_WITH_BITMAP_SIZE) refuse('EINVAL');
  checkBitmapSize(pagesOf(unmap.size, bitmap.pageSize), bitmap.size);
}

/** Checks a range that GET_BITMAP asks for; the room for the bitmap is always made to fit. @throws EINVAL */
export function checkBitmap(range: { readonly iova: bigint; readonly size: bigint; readonly pageSize: bigint }): void {
  if (range.iova + range.size > U64_MAX) refuse('EINVAL');
  const pages = pagesOf(range.size, range.pageSize);
  checkBitmapSize(pages, bitmapBytes(pages));
}

function checkBitmapSize(pages: bigint, size: bigint): void {
  if (pages === 0n || size === 0n || size > DIRTY_BITMAP_SIZE_MAX || size < bitmapBytes(pages)) refuse('EINVAL');
}

function pagesOf(size: bigint, pageSize: bigint): bigint {
  return pageSize > 0n ? size / (pageSize & -pageSize) : 0n;
}

/** The bytes of a bitmap with a bit a page, in whole 64-bit words. */
export function bitmapBytes(pages: bigint): bigint {
  return ((pages + 63n) / 64n) * 8n;
}
