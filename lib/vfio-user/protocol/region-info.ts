import type { RegionCapabilities, RegionInfo } from '../../kernel/kernel.js';
import {
  VFIO_REGION_INFO_CAP_MSIX_MAPPABLE,
  VFIO_REGION_INFO_CAP_SPARSE_MMAP,
  VFIO_REGION_INFO_CAP_TYPE,
  VFIO_REGION_INFO_FLAG_CAPS,
} from '../../uapi/vfio.js';
import { VFIO_REGION_INFO_MINSZ } from '../../uapi/vfio-sizes.js';
import { PayloadReader, PayloadWriter } from './payload.js';

const CAP_HEADER_SIZE = 8;
const IO_FDS_SIZE = 16;

/** A query for one region. */
export interface RegionQuery {
  /** The room for the whole reply, in bytes. */
  readonly argsz: number;
  /** The regionIndex. */
  readonly index: number;
}

/** Writes the command DEVICE_GET_REGION_INFO. */
export function encodeRegionInfoQuery(query: RegionQuery): Uint8Array {
  return new PayloadWriter(VFIO_REGION_INFO_MINSZ).u32(query.argsz).u32(0).u32(query.index).bytes;
}

/** Reads the command DEVICE_GET_REGION_INFO, which may be as long as its reply. @throws ERR_PROTOCOL */
export function decodeRegionInfoQuery(payload: Uint8Array): RegionQuery {
  const reader = new PayloadReader(payload, 'DEVICE_GET_REGION_INFO');
  const argsz = reader.argsz(VFIO_REGION_INFO_MINSZ);
  reader.u32();
  const index = reader.u32();
  reader.bytes(20);
  return { argsz, index };
}

/**
 * Writes the reply to DEVICE_GET_REGION_INFO. If the capabilities do not fit `argsz`, the reply contains none of them and
 * clears FLAG_CAPS, because QEMU reads them when the flag is set. The reply's own argsz is the room for the whole reply.
 */
export function encodeRegionInfo(info: RegionInfo, argsz: number): Uint8Array {
  const capabilities = encodeCapabilities(info.capabilities);
  const whole = VFIO_REGION_INFO_MINSZ + capabilities.length;
  const fits = capabilities.length > 0 && whole <= argsz;
  // Unsigned: bit 31 would make a negative number, which no field takes.
  const flags = (fits ? info.flags | VFIO_REGION_INFO_FLAG_CAPS : info.flags & ~VFIO_REGION_INFO_FLAG_CAPS) >>> 0;
  const writer = new PayloadWriter(fits ? whole : VFIO_REGION_INFO_MINSZ);
  writer.u32(whole).u32(flags).u32(info.index);
  writer.u32(fits ? VFIO_REGION_INFO_MINSZ : 0);
  writer.u64(info.size).u64(info.offset);
  return fits ? writer.data(capabilities).bytes : writer.bytes;
}

/**
 * Reads the reply to DEVICE_GET_REGION_INFO.
 * @returns the region, and the room for the whole reply: more than the payload's length if the reply is incomplete
 * @throws ERR_PROTOCOL
 */
export function decodeRegionInfo(payload: Uint8Array): { readonly info: RegionInfo; readonly argsz: number } {
  const reader = new PayloadReader(payload, 'DEVICE_GET_REGION_INFO');
  const argsz = reader.argsz(VFIO_REGION_INFO_MINSZ);
  const flags = reader.u32();
  const index = reader.u32();
  const capOffset = reader.u32();
  const size = reader.u64();
  const offset = reader.u64();
  const chained = (flags & VFIO_REGION_INFO_FLAG_CAPS) !== 0 && argsz <= payload.length && capOffset !== 0;
  const capabilities = chained ? decodeCapabilities(reader, capOffset, size) : {};
  return { info: { index, flags, size, offset, capabilities }, argsz };
}

/** Reads the command DEVICE_GET_REGION_IO_FDS, which may be as long as its reply. @returns the regionIndex. @throws ERR_PROTOCOL */
export function decodeRegionIoFdsQuery(payload: Uint8Array): number {
  const reader = new PayloadReader(payload, 'DEVICE_GET_REGION_IO_FDS');
  reader.argsz(IO_FDS_SIZE);
  const flags = reader.u32();
  if (flags !== 0) throw reader.fail(`\`flags\` must be 0. Received ${flags}`);
  const index = reader.u32();
  reader.u32();
  return index;
}

/** Writes the reply to DEVICE_GET_REGION_IO_FDS for a region without sub-regions. */
export function encodeNoRegionIoFds(regionIndex: number): Uint8Array {
  return new PayloadWriter(IO_FDS_SIZE).u32(IO_FDS_SIZE).u32(0).u32(regionIndex).bytes;
}

function encodeCapabilities(capabilities: RegionCapabilities): Uint8Array {
  const bodies: [id: number, body: Uint8Array][] = [];
  const { sparseMmap, type, msixMappable } = capabilities;
  if (sparseMmap !== undefined) {
    const writer = new PayloadWriter(8 + sparseMmap.length * 16).u32(sparseMmap.length).u32(0);
    for (const area of sparseMmap) writer.u64(area.offset).u64(area.size);
    bodies.push([VFIO_REGION_INFO_CAP_SPARSE_MMAP, writer.bytes]);
  }
  if (type !== undefined) {
    bodies.push([VFIO_REGION_INFO_CAP_TYPE, new PayloadWriter(8).u32(type.type).u32(type.subtype).bytes]);
  }
  if (msixMappable === true) bodies.push([VFIO_REGION_INFO_CAP_MSIX_MAPPABLE, new Uint8Array()]);
  const length = bodies.reduce((sum, [, body]) => sum + CAP_HEADER_SIZE + body.length, 0);
  const writer = new PayloadWriter(length);
  let at = VFIO_REGION_INFO_MINSZ;
  for (const [i, [id, body]] of bodies.entries()) {
    at += CAP_HEADER_SIZE + body.length;
    writer.u16(id).u16(1);
    writer.u32(i === bodies.length - 1 ? 0 : at).data(body);
  }
  return writer.bytes;
}

/** Reads the capability chain. @throws ERR_PROTOCOL for a loop, and for an offset in the fixed part or past the end */
function decodeCapabilities(reader: PayloadReader, first: number, regionSize: bigint): RegionCapabilities {
  const seen = new Set<number>();
  const capabilities: { -readonly [K in keyof RegionCapabilities]: RegionCapabilities[K] } = {};
  for (let at = first; at !== 0;) {
    if (at < VFIO_REGION_INFO_MINSZ || seen.has(at))
      throw reader.fail(`the capability chain contains offset ${at}, in the fixed part or twice`);
    seen.add(at);
    reader.seek(at);
    const id = reader.u16();
    reader.u16();
    at = reader.u32();
    if (id === VFIO_REGION_INFO_CAP_SPARSE_MMAP) capabilities.sparseMmap = decodeSparseMmap(reader, regionSize);
    if (id === VFIO_REGION_INFO_CAP_TYPE) capabilities.type = { type: reader.u32(), subtype: reader.u32() };
    if (id === VFIO_REGION_INFO_CAP_MSIX_MAPPABLE) capabilities.msixMappable = true;
  }
  return capabilities;
}

function decodeSparseMmap(reader: PayloadReader, regionSize: bigint): { offset: bigint; size: bigint }[] {
  const count = reader.u32();
  reader.u32();
  if (count * 16 > reader.remaining) throw reader.fail(`the payload is too short for ${count} sparse areas`);
  return Array.from({ length: count }, () => {
    const area = { offset: reader.u64(), size: reader.u64() };
    if (area.offset + area.size > regionSize) throw reader.fail('a sparse area exceeds its region');
    return area;
  });
}
