import {
  VFIO_USER_DEFAULT_MAX_DATA_XFER_SIZE,
  VFIO_USER_DEFAULT_MAX_DMA_MAPS,
  VFIO_USER_DEFAULT_MAX_MSG_FDS,
  VFIO_USER_DEFAULT_PGSIZES,
} from '../../uapi/vfio-user.js';
import { PayloadReader, PayloadWriter } from './payload.js';

/** What one side of a connection says it can do; absent capabilities have the protocol's default. */
export interface Capabilities {
  /** How many descriptors its sender takes with one message. */
  readonly maxMsgFds: number;
  /** Bytes, of a region's or a DMA transfer's data. */
  readonly maxDataXferSize: number;
  readonly maxDmaMaps: number;
  /** A bit for each page size, as bytes. */
  readonly pageSizes: number;
  /** REGION_WRITE_MULTI is understood. */
  readonly writeMultiple: boolean;
  /** Commands of the server's come over a socket of their own; this engine never asks for it. */
  readonly twinSocket: boolean;
}

/** The payload of VERSION, the same both ways. */
export interface Version {
  readonly major: number;
  readonly minor: number;
  readonly capabilities: Capabilities;
}

/** What a peer that says nothing is taken to mean. */
export const DEFAULT_CAPABILITIES: Capabilities = {
  maxMsgFds: VFIO_USER_DEFAULT_MAX_MSG_FDS,
  maxDataXferSize: VFIO_USER_DEFAULT_MAX_DATA_XFER_SIZE,
  maxDmaMaps: VFIO_USER_DEFAULT_MAX_DMA_MAPS,
  pageSizes: VFIO_USER_DEFAULT_PGSIZES,
  writeMultiple: false,
  twinSocket: false,
};

/** A version message is some hundred bytes; this is where a peer is taken to be up to something. */
const MAX_JSON = 64 * 1024;

/** Writes VERSION's payload: the JSON ends in a NUL, as the protocol asks for. */
export function encodeVersion(version: Version): Uint8Array {
  const { maxMsgFds, maxDataXferSize, maxDmaMaps, pageSizes, writeMultiple } = version.capabilities;
  const capabilities = {
    max_msg_fds: maxMsgFds,
    max_data_xfer_size: maxDataXferSize,
    max_dma_maps: maxDmaMaps,
    pgsizes: pageSizes,
    write_multiple: writeMultiple,
  };
  const json = new TextEncoder().encode(JSON.stringify({ capabilities }) + '\0');
  return new PayloadWriter(4 + json.length).u16(version.major).u16(version.minor).data(json).bytes;
}

/** Reads VERSION's payload. Unknown capabilities are passed over. @throws ERR_PROTOCOL */
export function decodeVersion(payload: Uint8Array): Version {
  const reader = new PayloadReader(payload, 'VERSION');
  const major = reader.u16();
  const minor = reader.u16();
  if (reader.remaining === 0) return { major, minor, capabilities: DEFAULT_CAPABILITIES };
  const data = parseJson(reader);
  if (!isObject(data)) throw reader.fail('the version data is not an object');
  const capabilities = data['capabilities'] ?? {};
  if (!isObject(capabilities)) throw reader.fail('the capabilities are not an object');
  return { major, minor, capabilities: readCapabilities(reader, capabilities) };
}

function parseJson(reader: PayloadReader): unknown {
  if (reader.remaining > MAX_JSON) throw reader.fail(`${reader.remaining} bytes of version data are too many`);
  const bytes = reader.bytes(reader.remaining);
  if (bytes.indexOf(0) !== bytes.length - 1) throw reader.fail('the version data does not end in its only NUL');
  try {
    // A copy: TextDecoder refuses bytes of a SharedArrayBuffer.
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes.slice(0, -1)));
  } catch (cause) {
    throw reader.fail('the version data is not JSON in UTF-8', cause);
  }
}

function readCapabilities(reader: PayloadReader, object: Record<string, unknown>): Capabilities {
  const number = (name: string, fallback: number, first: number, last: number): number => {
    const value = object[name] ?? fallback;
    if (typeof value !== 'number' || !Number.isInteger(value) || value < first || value > last) {
      throw reader.fail(`capability ${name} is not a number from ${first} to ${last}`);
    }
    return value;
  };
  const flag = (holder: Record<string, unknown>, name: string): boolean => {
    const value = holder[name] ?? false;
    if (typeof value !== 'boolean') throw reader.fail(`capability ${name} is not a boolean`);
    return value;
  };
  const twinSocket = object['twin_socket'] ?? {};
  if (!isObject(twinSocket)) throw reader.fail('capability twin_socket is not an object');
  const defaults = DEFAULT_CAPABILITIES;
  return {
    maxMsgFds: number('max_msg_fds', defaults.maxMsgFds, 0, 0xffff_ffff),
    maxDataXferSize: number('max_data_xfer_size', defaults.maxDataXferSize, 1, 0xffff_ffff),
    maxDmaMaps: number('max_dma_maps', defaults.maxDmaMaps, 0, 0xffff_ffff),
    pageSizes: number('pgsizes', defaults.pageSizes, 1, Number.MAX_SAFE_INTEGER),
    writeMultiple: flag(object, 'write_multiple'),
    twinSocket: flag(twinSocket, 'supported'),
  };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
