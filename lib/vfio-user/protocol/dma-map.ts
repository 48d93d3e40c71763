import { VFIO_IOMMU_TYPE1_DMA_MAP_MINSZ, VFIO_IOMMU_TYPE1_DMA_UNMAP_MINSZ } from '../../uapi/vfio-sizes.js';
import { PayloadReader, PayloadWriter } from './payload.js';

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

/** DMA_UNMAP: a range of addresses. The reply is the same. */
export interface WireDmaUnmap {
  /** No flag is supported. */
  readonly flags: number;
  /** The first address on the device's bus. */
  readonly iova: bigint;
  /** Bytes. */
  readonly size: bigint;
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

/** Writes DMA_UNMAP, command or reply. */
export function encodeDmaUnmap(unmap: WireDmaUnmap): Uint8Array {
  const size = VFIO_IOMMU_TYPE1_DMA_UNMAP_MINSZ;
  return new PayloadWriter(size).u32(size).u32(unmap.flags).u64(unmap.iova).u64(unmap.size).bytes;
}

/** Reads DMA_UNMAP, command or reply. Accepts a range that exceeds 2^64: QEMU's "all memory" does. @throws ERR_PROTOCOL */
export function decodeDmaUnmap(payload: Uint8Array): WireDmaUnmap {
  const reader = new PayloadReader(payload, 'DMA_UNMAP');
  reader.argsz(VFIO_IOMMU_TYPE1_DMA_UNMAP_MINSZ);
  const unmap = { flags: reader.u32(), iova: reader.u64(), size: reader.u64() };
  reader.end();
  return unmap;
}
