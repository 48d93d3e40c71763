import { systemError } from '../../base/errors.js';
import { VFIO_USER_DEFAULT_MAX_DATA_XFER_SIZE, type WireDmaUnmap } from '../protocol/protocol.js';
import type { DmaRange } from './dma-ranges.js';

const SMALLEST_PAGE = 4096n;
const WORD_BITS = 64n;

/**
 * Checks the room for the dirty bitmap of a DMA_UNMAP.
 * @returns the length of the bitmap in bytes, whole u64s
 * @throws EINVAL for a page size that is not a power of two from 4096 on, a size that is not a multiple of it, a room
 * that is too small, and a bitmap that exceeds a message
 */
export function checkBitmap({ size, bitmap }: WireDmaUnmap): number {
  const pageSize = bitmap?.pageSize ?? 0n;
  const valid = pageSize >= SMALLEST_PAGE && (pageSize & (pageSize - 1n)) === 0n && size > 0n && size % pageSize === 0n;
  const length = valid ? ((size / pageSize + WORD_BITS - 1n) / WORD_BITS) * 8n : 0n;
  const room = bitmap?.size ?? 0n;
  if (!valid || room < length || length > BigInt(VFIO_USER_DEFAULT_MAX_DATA_XFER_SIZE)) {
    throw systemError('EINVAL', 'vfio-user(DMA_UNMAP)');
  }
  return Number(length);
}

/**
 * Makes the dirty bitmap of ranges that were unmapped. The server does not record writes, so it reports every page that
 * the device may have written.
 * @param length bytes, as `checkBitmap` returned
 */
export function writablePages(ranges: readonly DmaRange[], { iova, bitmap }: WireDmaUnmap, length: number): Uint8Array {
  const bits = new Uint8Array(length);
  const pageSize = bitmap?.pageSize ?? SMALLEST_PAGE;
  for (const range of ranges.filter(({ writable }) => writable)) {
    const last = Number((range.last - iova) / pageSize);
    for (let page = Number((range.iova - iova) / pageSize); page <= last; page += 1) {
      bits[page >> 3] = (bits[page >> 3] ?? 0) | (1 << (page & 7));
    }
  }
  return bits;
}
