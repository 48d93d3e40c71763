import { VFIO_USER_DEFAULT_MAX_DATA_XFER_SIZE } from '../../uapi/vfio-user.js';
import { PayloadReader, PayloadWriter } from './payload.js';

const ACCESS_SIZE = 16;
const MULTI_ENTRY_SIZE = 24;

/** REGION_READ or REGION_WRITE. Data follows it in a REGION_WRITE command and in a REGION_READ reply. */
export interface WireRegionAccess {
  /** Bytes from the start of the region. */
  readonly regionOffset: number;
  readonly regionIndex: number;
  /** Bytes. */
  readonly count: number;
}

/** One write of REGION_WRITE_MULTI. */
export interface WireRegionWrite {
  /** Bytes from the start of the region. */
  readonly regionOffset: number;
  readonly regionIndex: number;
  /** 1 to 8 bytes. */
  readonly data: Uint8Array;
}

/** Writes an access, with the data of a REGION_WRITE command or a REGION_READ reply. @throws ERR_OUT_OF_RANGE */
export function encodeRegionAccess(access: WireRegionAccess, data: Uint8Array = new Uint8Array()): Uint8Array {
  const writer = new PayloadWriter(ACCESS_SIZE + data.length).u64(access.regionOffset);
  return writer.u32(access.regionIndex).u32(access.count).data(data).bytes;
}

/** Reads a REGION_READ command or a REGION_WRITE reply. @param maxCount the most bytes allowed. @throws ERR_PROTOCOL */
export function decodeRegionAccess(
  payload: Uint8Array,
  maxCount = VFIO_USER_DEFAULT_MAX_DATA_XFER_SIZE,
): WireRegionAccess {
  const reader = new PayloadReader(payload, 'region access');
  const access = readAccess(reader, maxCount);
  reader.end();
  return access;
}

/** Reads a REGION_WRITE command or a REGION_READ reply. `data` is a view of the payload. @throws ERR_PROTOCOL */
export function decodeRegionData(payload: Uint8Array): WireRegionAccess & { readonly data: Uint8Array } {
  const reader = new PayloadReader(payload, 'region data');
  const access = readAccess(reader, payload.length);
  const data = reader.bytes(access.count);
  reader.end();
  return { ...access, data };
}

/** Reads the command REGION_WRITE_MULTI. Each `data` is a view of the payload. @throws ERR_PROTOCOL */
export function decodeRegionWriteMulti(payload: Uint8Array): WireRegionWrite[] {
  const reader = new PayloadReader(payload, 'REGION_WRITE_MULTI');
  const count = reader.safe('count');
  if (count * MULTI_ENTRY_SIZE !== reader.remaining)
    throw reader.fail(`the payload does not have the length of ${count} writes`);
  return Array.from({ length: count }, () => {
    const { regionOffset, regionIndex, count: length } = readAccess(reader, 8);
    if (length === 0) throw reader.fail('a write has no data');
    return { regionOffset, regionIndex, data: reader.bytes(8).subarray(0, length) };
  });
}

/** Writes the reply to REGION_WRITE_MULTI. @param count how many of the writes were performed */
export function encodeRegionWriteMultiReply(count: number): Uint8Array {
  return new PayloadWriter(8).u64(count).bytes;
}

function readAccess(reader: PayloadReader, maxCount: number): WireRegionAccess {
  const regionOffset = reader.safe('offset');
  const regionIndex = reader.u32();
  const count = reader.u32();
  if (count > maxCount) throw reader.fail(`\`count\` must be at most ${maxCount}. Received ${count}`);
  return { regionOffset, regionIndex, count };
}
