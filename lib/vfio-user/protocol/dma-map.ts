import { VFIO_USER_DEFAULT_MAX_DATA_XFER_SIZE } from '../../uapi/vfio-user.js';
import { PayloadReader, PayloadWriter } from './payload.js';

const DMA_MAP_SIZE = 32;
const DMA_UNMAP_SIZE = 24;
const DMA_ACCESS_SIZE = 16;
const LAST_ADDRESS = (1n << 64n) - 1n;

/** DMA_MAP: memory of the client's that the device may reach; a descriptor with the message makes it mappable. */
export interface WireDmaMap {
  /** VFIO_USER_DMA_MAP_FLAG_READ and _WRITE */
  readonly flags: number;
  /** Where the memory starts in the descriptor's file; 0 without one. */
  readonly fdOffset: bigint;
  readonly iova: bigint;
  readonly size: bigint;
}

/** DMA_UNMAP, a range; its reply is the same again. */
export interface WireDmaUnmap {
  readonly flags: number;
  readonly iova: bigint;
  readonly size: bigint;
}

/** A server's DMA_READ or DMA_WRITE; `data` with a write's command and a read's reply. */
export interface WireDmaAccess {
  readonly iova: bigint;
  readonly count: number;
}

export function encodeDmaMap(map: WireDmaMap): Uint8Array {
  const writer = new PayloadWriter(DMA_MAP_SIZE).u32(DMA_MAP_SIZE).u32(map.flags);
  return writer.u64(map.fdOffset).u64(map.iova).u64(map.size).bytes;
}

/** @throws ERR_PROTOCOL; the range's last address is below 2^64 when it returns */
export function decodeDmaMap(payload: Uint8Array): WireDmaMap {
  const reader = new PayloadReader(payload, 'DMA_MAP');
  readArgsz(reader, DMA_MAP_SIZE);
  const map = { flags: reader.u32(), fdOffset: reader.u64(), iova: reader.u64(), size: reader.u64() };
  reader.end();
  checkRange(reader, map.iova, map.size);
  if (map.fdOffset + map.size > LAST_ADDRESS) throw reader.fail('the file range wraps');
  return map;
}

export function encodeDmaUnmap(unmap: WireDmaUnmap): Uint8Array {
  const writer = new PayloadWriter(DMA_UNMAP_SIZE).u32(DMA_UNMAP_SIZE).u32(unmap.flags);
  return writer.u64(unmap.iova).u64(unmap.size).bytes;
}

/** Reads DMA_UNMAP, command or reply. A size that reaches over 2^64 is let pass, as QEMU's "all of it" may. */
export function decodeDmaUnmap(payload: Uint8Array): WireDmaUnmap {
  const reader = new PayloadReader(payload, 'DMA_UNMAP');
  readArgsz(reader, DMA_UNMAP_SIZE);
  const unmap = { flags: reader.u32(), iova: reader.u64(), size: reader.u64() };
  reader.end();
  return unmap;
}

/** Writes DMA_READ's command, or DMA_WRITE's with its data. */
export function encodeDmaAccess(access: WireDmaAccess, data: Uint8Array = new Uint8Array()): Uint8Array {
  return new PayloadWriter(DMA_ACCESS_SIZE + data.length).u64(access.iova).u64(access.count).data(data).bytes;
}

/** Reads DMA_READ's command. @param maxCount the largest transfer agreed on. @throws ERR_PROTOCOL */
export function decodeDmaRead(payload: Uint8Array, maxCount = VFIO_USER_DEFAULT_MAX_DATA_XFER_SIZE): WireDmaAccess {
  const reader = new PayloadReader(payload, 'DMA_READ');
  const access = readAccess(reader, maxCount);
  reader.end();
  return access;
}

/** Reads DMA_WRITE's command or DMA_READ's reply: the data is a view of the payload. @throws ERR_PROTOCOL */
export function decodeDmaData(payload: Uint8Array): WireDmaAccess & { readonly data: Uint8Array } {
  const reader = new PayloadReader(payload, 'DMA data');
  const access = readAccess(reader, payload.length);
  const data = reader.bytes(access.count);
  reader.end();
  return { ...access, data };
}

/** Reads DMA_WRITE's reply. The specification's count has 4 bytes, that of every implementation 8: both are taken. */
export function decodeDmaWriteReply(payload: Uint8Array): WireDmaAccess {
  const reader = new PayloadReader(payload, 'DMA_WRITE reply');
  if (payload.length !== 12) {
    const access = readAccess(reader, Number.MAX_SAFE_INTEGER);
    reader.end();
    return access;
  }
  return { iova: reader.u64(), count: reader.u32() };
}

function readAccess(reader: PayloadReader, maxCount: number): WireDmaAccess {
  const iova = reader.u64();
  const count = reader.safe('count');
  if (count > maxCount) throw reader.fail(`count ${count} is over ${maxCount}`);
  return { iova, count };
}

function readArgsz(reader: PayloadReader, least: number): void {
  const argsz = reader.u32();
  if (argsz < least) throw reader.fail(`argsz ${argsz} is less than ${least}`);
}

function checkRange(reader: PayloadReader, iova: bigint, size: bigint): void {
  if (size === 0n) throw reader.fail('size is 0');
  if (size - 1n > LAST_ADDRESS - iova) throw reader.fail('the range wraps');
}
