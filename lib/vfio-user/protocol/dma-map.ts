import { VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP } from '../../uapi/vfio.js';
import { VFIO_IOMMU_TYPE1_DMA_MAP_MINSZ, VFIO_IOMMU_TYPE1_DMA_UNMAP_MINSZ } from '../../uapi/vfio-sizes.js';
import { PayloadReader, PayloadWriter } from './payload.js';

/** struct vfio_bitmap without its data: pgsize and size. */
const BITMAP_SIZE = 16;
const ADDRESS_SPACE_SIZE = 1n << 64n;

/** DMA_MAP: memory of the client that the device may access. With a descriptor, the server can map the memory. */
export interface WireDmaMap {
  /** VFIO_USER_DMA_MAP_FLAG_READ and _WRITE. */
  readonly flags: number;
  /** The offset of the memory in the descriptor's file; 0 without a descriptor. */
  readonly fdOffset: bigint;
  /** The first address on the device's bus. */
  readonly iova: bigint;
  /** Bytes, above 0. */
  readonly size: bigint;
}

/** The room for a dirty bitmap in the reply to DMA_UNMAP. */
interface WireBitmap {
  /** Bytes that one bit stands for, a power of two. */
  readonly pageSize: bigint;
  /** Bytes of the bitmap. */
  readonly size: bigint;
}

/** DMA_UNMAP: a range of addresses. The reply is the same, and the dirty bitmap if it was requested. */
export interface WireDmaUnmap {
  /** VFIO_DMA_UNMAP_FLAG_ALL, with an iova and a size of 0, or VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP, or 0. */
  readonly flags: number;
  /** The first address on the device's bus. */
  readonly iova: bigint;
  /** Bytes. */
  readonly size: bigint;
  /** Present with VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP. */
  readonly bitmap?: WireBitmap;
}

/** Writes the command DMA_MAP. */
export function encodeDmaMap(map: WireDmaMap): Uint8Array {
  const size = VFIO_IOMMU_TYPE1_DMA_MAP_MINSZ;
  const writer = new PayloadWriter(size).u32(size).u32(map.flags);
  return writer.u64(map.fdOffset).u64(map.iova).u64(map.size).bytes;
}

/** Reads the command DMA_MAP. @throws ERR_PROTOCOL, also for a size of 0 and a range that exceeds 2^64 */
export function decodeDmaMap(payload: Uint8Array): WireDmaMap {
  const reader = new PayloadReader(payload, 'DMA_MAP');
  reader.argsz(VFIO_IOMMU_TYPE1_DMA_MAP_MINSZ);
  const map = { flags: reader.u32(), fdOffset: reader.u64(), iova: reader.u64(), size: reader.u64() };
  reader.end();
  if (map.size === 0n) throw reader.fail('`size` must not be 0');
  if (map.iova + map.size > ADDRESS_SPACE_SIZE) throw reader.fail('the range exceeds 2^64');
  if (map.fdOffset + map.size >= ADDRESS_SPACE_SIZE) throw reader.fail('the range in the file exceeds 2^64');
  return map;
}

/** Writes DMA_UNMAP, command or reply. @param bits the dirty bitmap of a reply, whole u64s */
export function encodeDmaUnmap(unmap: WireDmaUnmap, bits: Uint8Array = new Uint8Array()): Uint8Array {
  const fixed = VFIO_IOMMU_TYPE1_DMA_UNMAP_MINSZ + (unmap.bitmap === undefined ? 0 : BITMAP_SIZE);
  const writer = new PayloadWriter(fixed + bits.length).u32(fixed + bits.length).u32(unmap.flags);
  writer.u64(unmap.iova).u64(unmap.size);
  if (unmap.bitmap !== undefined) writer.u64(unmap.bitmap.pageSize).u64(unmap.bitmap.size);
  return writer.data(bits).bytes;
}

/**
 * Reads DMA_UNMAP, command or reply. Accepts a range that exceeds 2^64: QEMU's "all memory" does. Ignores the bits of a
 * bitmap.
 * @throws ERR_PROTOCOL
 */
export function decodeDmaUnmap(payload: Uint8Array): WireDmaUnmap {
  const reader = new PayloadReader(payload, 'DMA_UNMAP');
  reader.argsz(VFIO_IOMMU_TYPE1_DMA_UNMAP_MINSZ);
  const unmap = { flags: reader.u32(), iova: reader.u64(), size: reader.u64() };
  if ((unmap.flags & VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP) === 0) {
    reader.end();
    return unmap;
  }
  return { ...unmap, bitmap: { pageSize: reader.u64(), size: reader.u64() } };
}
