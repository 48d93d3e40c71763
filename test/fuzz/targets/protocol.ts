/**
 * The decoders of vfio-user messages: any bytes give a value or ERR_PROTOCOL. A value that an encoder takes decodes to
 * itself again. No list in a value is longer than its message.
 *
 * An input is a byte that chooses the decoder, and the message.
 */
import assert from 'node:assert/strict';

import { VfioError } from '../../../lib/base/errors.js';
import { VFIO_REGION_INFO_FLAG_CAPS } from '../../../lib/uapi/vfio.js';
import * as wire from '../../../lib/vfio-user/protocol/protocol.js';

interface Codec {
  readonly decode: (bytes: Uint8Array) => unknown;
  /** Writes the value again. Absent for what only the other side of a connection writes. */
  readonly encode?: (value: never) => Uint8Array;
}

function codec<T>(decode: (bytes: Uint8Array) => T, encode?: (value: T) => Uint8Array): Codec {
  return encode === undefined ? { decode } : { decode, encode };
}

const ROOM = 0xffff_ffff;
const codecs: readonly Codec[] = [
  codec(wire.decodeHeader, wire.encodeHeader),
  codec(wire.decodeVersion),
  codec(wire.decodeDeviceInfoQuery),
  codec(wire.decodeDeviceInfo, wire.encodeDeviceInfo),
  codec(wire.decodeDmaMap, wire.encodeDmaMap),
  codec(wire.decodeDmaUnmap, (unmap) => wire.encodeDmaUnmap(unmap)),
  codec(wire.decodeDmaData, (access) => wire.encodeDmaAccess(access, access.data)),
  codec(wire.decodeDmaWriteReply, (access) => wire.encodeDmaAccess(access)),
  codec(wire.decodeFeature),
  codec(wire.decodeIrqInfoQuery, wire.encodeIrqInfoQuery),
  codec(wire.decodeIrqInfo, wire.encodeIrqInfo),
  codec(wire.decodeIrqSet),
  codec(wire.decodeRegionAccess, (access) => wire.encodeRegionAccess(access)),
  codec(wire.decodeRegionData, (access) => wire.encodeRegionAccess(access, access.data)),
  codec(wire.decodeRegionWriteMulti),
  codec(wire.decodeRegionInfoQuery, wire.encodeRegionInfoQuery),
  codec(decodeRegionInfo, (info) => wire.encodeRegionInfo(info, ROOM)),
  codec(wire.decodeRegionIoFdsQuery, wire.encodeNoRegionIoFds),
];

export const seeds: readonly Uint8Array[] = [
  seed(0, wire.encodeHeader({ id: 1, command: 9, size: 16, type: 'reply', errno: 22 })),
  seed(1, wire.encodeVersion({ major: 0, minor: 0, capabilities: wire.DEFAULT_CAPABILITIES })),
  seed(4, wire.encodeDmaMap({ flags: 3, fdOffset: 0n, iova: 0x1000n, size: 0x1000n })),
  seed(5, wire.encodeDmaUnmap({ flags: 1, iova: 0n, size: 0x1000n, bitmap: { pageSize: 4096n, size: 8n } })),
  seed(14, Uint8Array.from([1, ...new Array<number>(19).fill(0), 4, 0, 0, 0, ...new Array<number>(8).fill(7)])),
  seed(16, wire.encodeRegionInfo(chained(), ROOM)),
];

export function fuzz(input: Uint8Array): void {
  const { decode, encode } = codecs[(input[0] ?? 0) % codecs.length] as Codec;
  const message = Uint8Array.from(input.subarray(1));
  let value: unknown;
  try {
    value = decode(message);
  } catch (error) {
    assert.ok(error instanceof VfioError, `a decoder threw ${String(error)}`);
    assert.equal(error.code, 'ERR_PROTOCOL');
    return;
  }
  assertNoLonger(value, message.length);
  if (encode !== undefined) assert.deepEqual(decode(encode(value as never)), value);
}

/** The encoder sets FLAG_CAPS if there are capabilities, and clears it otherwise. */
function decodeRegionInfo(bytes: Uint8Array): ReturnType<typeof wire.decodeRegionInfo>['info'] {
  const { info } = wire.decodeRegionInfo(bytes);
  return { ...info, flags: (info.flags & ~VFIO_REGION_INFO_FLAG_CAPS) >>> 0 };
}

function assertNoLonger(value: unknown, length: number): void {
  if (typeof value !== 'object' || value === null) return;
  if (Array.isArray(value) || value instanceof Uint8Array)
    assert.ok(value.length <= length, 'a list of foreign length');
  if (!(value instanceof Uint8Array)) for (const part of Object.values(value)) assertNoLonger(part, length);
}

function chained(): Parameters<typeof wire.encodeRegionInfo>[0] {
  const sparseMmap = [{ offset: 0n, size: 4096n }];
  const capabilities = { sparseMmap, type: { type: 1, subtype: 2 }, msixMappable: true };
  return { index: 2, flags: 7, size: 8192n, offset: 0n, capabilities };
}

function seed(choice: number, message: Uint8Array): Uint8Array {
  return Uint8Array.from([choice, ...message]);
}
