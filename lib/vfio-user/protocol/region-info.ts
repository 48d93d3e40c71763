import type { RegionCapabilities, RegionInfo } from '../../kernel/kernel.js';
import {
  VFIO_REGION_INFO_CAP_MSIX_MAPPABLE,
  VFIO_REGION_INFO_CAP_SPARSE_MMAP,
  VFIO_REGION_INFO_CAP_TYPE,
  VFIO_REGION_INFO_FLAG_CAPS,
} from '../../uapi/vfio.js';
import type { InfoQuery } from './irqs.js';
import { PayloadReader, PayloadWriter } from './payload.js';

/** struct vfio_region_info without its capabilities. */
export const REGION_INFO_SIZE = 32;
const CAP_HEADER_SIZE = 8;

export function encodeRegionInfoQuery(query: InfoQuery): Uint8Array {
  return new PayloadWriter(REGION_INFO_SIZE).u32(query.argsz).u32(0).u32(query.index).bytes;
}

/** Reads GET_REGION_INFO's command. @throws ERR_PROTOCOL */
export function decodeRegionInfoQuery(payload: Uint8Array): InfoQuery {
  const reader = new PayloadReader(payload, 'DEVICE_GET_REGION_INFO');
  const argsz = reader.u32();
  if (argsz < REGION_INFO_SIZE) throw reader.fail(`argsz ${argsz} is less than ${REGION_INFO_SIZE}`);
  reader.u32();
  const index = reader.u32();
  reader.bytes(20);
  reader.end();
  return { argsz, index };
}

/**
 * Writes GET_REGION_INFO's reply. When the capabilities do not fit `argsz` the reply has none of them, no FLAG_CAPS
 * (QEMU would look for them), and says in its own argsz how much room they want.
 */
export function encodeRegionInfo(info: RegionInfo, argsz: number): Uint8Array {
  const capabilities = encodeCapabilities(info.capabilities);
  const whole = REGION_INFO_SIZE + capabilities.length;
  const fits = capabilities.length > 0 && whole <= argsz;
  const flags = fits ? info.flags | VFIO_REGION_INFO_FLAG_CAPS : info.flags & ~VFIO_REGION_INFO_FLAG_CAPS;
  const writer = new PayloadWriter(fits ? whole : REGION_INFO_SIZE);
  writer.u32(whole).u32(flags).u32(info.index);
  writer.u32(fits ? REGION_INFO_SIZE : 0);
  writer.u64(info.size).u64(info.offset);
  return fits ? writer.data(capabilities).bytes : writer.bytes;
}

/** @returns the region, and the room that the whole answer wants: more than `payload` has when it is cut short */
export function decodeRegionInfo(payload: Uint8Array): { readonly info: RegionInfo; readonly argsz: number } {
  const reader = new PayloadReader(payload, 'DEVICE_GET_REGION_INFO');
  const argsz = reader.u32();
  if (argsz < REGION_INFO_SIZE) throw reader.fail(`argsz ${argsz} is less than ${REGION_INFO_SIZE}`);
  const flags = reader.u32();
  const index = reader.u32();
  const capOffset = reader.u32();
  const size = reader.u64();
  const offset = reader.u64();
  const chained = (flags & VFIO_REGION_INFO_FLAG_CAPS) !== 0 && argsz <= payload.length && capOffset !== 0;
  const capabilities = chained ? decodeCapabilities(reader, capOffset, size) : {};
  return { info: { index, flags, size, offset, capabilities }, argsz };
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
  let at = REGION_INFO_SIZE;
  for (const [i, [id, body]] of bodies.entries()) {
    at += CAP_HEADER_SIZE + body.length;
    writer.u16(id).u16(1);
    writer.u32(i === bodies.length - 1 ? 0 : at).data(body);
  }
  return writer.bytes;
}

/** Walks the chain; a loop, a step outside the payload or into the fixed part ends the message's credit. */
function decodeCapabilities(reader: PayloadReader, first: number, regionSize: bigint): RegionCapabilities {
  const seen = new Set<number>();
  const capabilities: { -readonly [K in keyof RegionCapabilities]: RegionCapabilities[K] } = {};
  for (let at = first; at !== 0;) {
    if (at < REGION_INFO_SIZE || seen.has(at)) throw reader.fail(`the capability chain is broken at ${at}`);
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
  if (count * 16 > reader.remaining) throw reader.fail(`${count} sparse areas do not fit the payload`);
  return Array.from({ length: count }, () => {
    const area = { offset: reader.u64(), size: reader.u64() };
    if (area.offset + area.size > regionSize) throw reader.fail('a sparse area leaves its region');
    return area;
  });
}
