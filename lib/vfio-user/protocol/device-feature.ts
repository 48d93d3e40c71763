import { PayloadReader, PayloadWriter } from './payload.js';

const FEATURE_SIZE = 8;
const REPORT_SIZE = 24;

/** DEVICE_FEATURE, both ways. */
export interface WireFeature {
  /** Room for the reply. */
  readonly argsz: number;
  /** The feature's number in the low half; VFIO_DEVICE_FEATURE_GET, _SET, _PROBE. */
  readonly flags: number;
  readonly data: Uint8Array;
}

/** The data of DMA_LOGGING_START. No ranges: all of the device's writes. */
export interface WireDirtyStart {
  readonly pageSize: bigint;
  readonly ranges: readonly { readonly iova: bigint; readonly size: bigint }[];
}

/** The data of DMA_LOGGING_REPORT; the reply has the bitmap behind it, a bit a page, in whole u64s. */
export interface WireDirtyRange {
  readonly iova: bigint;
  readonly size: bigint;
  readonly pageSize: bigint;
}

export function encodeFeature(feature: WireFeature): Uint8Array {
  const writer = new PayloadWriter(FEATURE_SIZE + feature.data.length);
  return writer.u32(feature.argsz).u32(feature.flags).data(feature.data).bytes;
}

/** Reads DEVICE_FEATURE, command or reply; `data` is a view of the payload. @throws ERR_PROTOCOL */
export function decodeFeature(payload: Uint8Array): WireFeature {
  const reader = new PayloadReader(payload, 'DEVICE_FEATURE');
  const argsz = reader.u32();
  if (argsz < FEATURE_SIZE) throw reader.fail(`argsz ${argsz} is less than ${FEATURE_SIZE}`);
  return { argsz, flags: reader.u32(), data: reader.bytes(reader.remaining) };
}

export function encodeDirtyStart(start: WireDirtyStart): Uint8Array {
  const writer = new PayloadWriter(16 + start.ranges.length * 16);
  writer.u64(start.pageSize).u32(start.ranges.length).u32(0);
  for (const range of start.ranges) writer.u64(range.iova).u64(range.size);
  return writer.bytes;
}

/** @throws ERR_PROTOCOL for a page size that is no power of two, or ranges that do not fill the data */
export function decodeDirtyStart(data: Uint8Array): WireDirtyStart {
  const reader = new PayloadReader(data, 'DMA_LOGGING_START');
  const pageSize = readPageSize(reader);
  const count = reader.u32();
  reader.u32();
  if (count * 16 !== reader.remaining) throw reader.fail(`${count} ranges are not what it holds`);
  return { pageSize, ranges: Array.from({ length: count }, () => ({ iova: reader.u64(), size: reader.u64() })) };
}

/** Writes DMA_LOGGING_REPORT's data, with the bitmap for the reply. */
export function encodeDirtyReport(range: WireDirtyRange, bitmap: Uint8Array = new Uint8Array()): Uint8Array {
  const writer = new PayloadWriter(REPORT_SIZE + Math.ceil(bitmap.length / 8) * 8);
  return writer.u64(range.iova).u64(range.size).u64(range.pageSize).data(bitmap).bytes;
}

/** @returns the range and what follows it: nothing in a command, the bitmap in a reply. @throws ERR_PROTOCOL */
export function decodeDirtyReport(data: Uint8Array): WireDirtyRange & { readonly bitmap: Uint8Array } {
  const reader = new PayloadReader(data, 'DMA_LOGGING_REPORT');
  const iova = reader.u64();
  const size = reader.u64();
  const pageSize = readPageSize(reader);
  if (reader.remaining % 8 !== 0) throw reader.fail('the bitmap is not whole words');
  return { iova, size, pageSize, bitmap: reader.bytes(reader.remaining) };
}

function readPageSize(reader: PayloadReader): bigint {
  const pageSize = reader.u64();
  if (pageSize === 0n || (pageSize & (pageSize - 1n)) !== 0n) throw reader.fail('the page size is no power of two');
  return pageSize;
}
