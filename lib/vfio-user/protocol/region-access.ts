import { VfioError } from '../../base/errors.js';
import { VFIO_USER_DEFAULT_MAX_DATA_XFER_SIZE } from '../../uapi/vfio-user.js';
import { PayloadReader, PayloadWriter } from './payload.js';

const ACCESS_SIZE = 16;
const MULTI_ENTRY_SIZE = 24;

/** REGION_READ's command and REGION_WRITE's reply; with `data` behind it, the other two. */
export interface WireRegionAccess {
  readonly regionOffset: number;
  readonly regionIndex: number;
  readonly count: number;
}

/** A write of 1 to 8 bytes, as REGION_WRITE_MULTI carries them. */
export interface WireRegionWrite {
  readonly regionOffset: number;
  readonly regionIndex: number;
  readonly data: Uint8Array;
}

/** Writes an access, with `data` for REGION_WRITE's command and REGION_READ's reply. */
export function encodeRegionAccess(access: WireRegionAccess, data: Uint8Array = new Uint8Array()): Uint8Array {
  const writer = new PayloadWriter(ACCESS_SIZE + data.length).u64(access.regionOffset);
  return writer.u32(access.regionIndex).u32(access.count).data(data).bytes;
}

/** Reads REGION_READ's command or REGION_WRITE's reply. @param maxCount the largest transfer. @throws ERR_PROTOCOL */
export function decodeRegionAccess(
  payload: Uint8Array,
  maxCount = VFIO_USER_DEFAULT_MAX_DATA_XFER_SIZE,
): WireRegionAccess {
  const reader = new PayloadReader(payload, 'region access');
  const access = readAccess(reader, maxCount);
  reader.end();
  return access;
}

/** Reads REGION_WRITE's command or REGION_READ's reply; `data` is a view of the payload. @throws ERR_PROTOCOL */
export function decodeRegionData(payload: Uint8Array): WireRegionAccess & { readonly data: Uint8Array } {
  const reader = new PayloadReader(payload, 'region data');
  const access = readAccess(reader, payload.length);
  const data = reader.bytes(access.count);
  reader.end();
  return { ...access, data };
}

/** Writes REGION_WRITE_MULTI's command. @throws ERR_OUT_OF_RANGE for data that is not 1 to 8 bytes */
export function encodeRegionWriteMulti(writes: readonly WireRegionWrite[]): Uint8Array {
  const writer = new PayloadWriter(8 + writes.length * MULTI_ENTRY_SIZE).u64(writes.length);
  const padded = new Uint8Array(8);
  for (const { regionOffset, regionIndex, data } of writes) {
    if (data.length < 1 || data.length > 8) {
      throw new VfioError(`vfio-user: a write of ${data.length} bytes`, { code: 'ERR_OUT_OF_RANGE' });
    }
    padded.fill(0).set(data);
    writer.u64(regionOffset).u32(regionIndex).u32(data.length).data(padded);
  }
  return writer.bytes;
}

/** Reads REGION_WRITE_MULTI's command; each `data` is a view of the payload. @throws ERR_PROTOCOL */
export function decodeRegionWriteMulti(payload: Uint8Array): WireRegionWrite[] {
  const reader = new PayloadReader(payload, 'REGION_WRITE_MULTI');
  const count = reader.safe('count');
  if (count * MULTI_ENTRY_SIZE !== reader.remaining) throw reader.fail(`${count} writes are not what it holds`);
  return Array.from({ length: count }, () => {
    const { regionOffset, regionIndex, count: length } = readAccess(reader, 8);
    if (length === 0) throw reader.fail('a write has no data');
    return { regionOffset, regionIndex, data: reader.bytes(8).subarray(0, length) };
  });
}

/** Writes REGION_WRITE_MULTI's reply: how many of the writes were done. */
export function encodeRegionWriteMultiReply(count: number): Uint8Array {
  return new PayloadWriter(8).u64(count).bytes;
}

/** Reads REGION_WRITE_MULTI's reply. @throws ERR_PROTOCOL */
export function decodeRegionWriteMultiReply(payload: Uint8Array): number {
  const reader = new PayloadReader(payload, 'REGION_WRITE_MULTI');
  const count = reader.safe('count');
  reader.end();
  return count;
}

function readAccess(reader: PayloadReader, maxCount: number): WireRegionAccess {
  const regionOffset = reader.safe('offset');
  const regionIndex = reader.u32();
  const count = reader.u32();
  if (count > maxCount) throw reader.fail(`count ${count} is over ${maxCount}`);
  return { regionOffset, regionIndex, count };
}
