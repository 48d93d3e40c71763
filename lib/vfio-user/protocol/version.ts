import {
  VFIO_USER_DEFAULT_MAX_DATA_XFER_SIZE,
  VFIO_USER_DEFAULT_MAX_DMA_MAPS,
  VFIO_USER_DEFAULT_MAX_MSG_FDS,
  VFIO_USER_DEFAULT_PGSIZES,
} from '../../uapi/vfio-user.js';
import { isObject } from '../../base/arguments.js';
import { PayloadReader, PayloadWriter } from './payload.js';

/** The capabilities of one side of a connection. A capability that a peer leaves out has the protocol's default. */
export interface Capabilities {
  /** How many descriptors this side accepts with one message. */
  readonly maxMsgFds: number;
  /** The most bytes of data in a region access or a DMA access. */
  readonly maxDataXferSize: number;
  /** How many DMA mappings a server accepts. */
  readonly maxDmaMaps: number;
  /** The page sizes that DMA_MAP accepts: a bit mask, each bit is a size in bytes. */
  readonly pageSizes: number;
  /** Whether this side supports REGION_WRITE_MULTI. */
  readonly writeMultiple: boolean;
  /** Whether the server sends its commands on a second socket. This engine never offers it. */
  readonly twinSocket: boolean;
}

/** The payload of VERSION, command and reply. */
export interface Version {
  /** 16 bits. */
  readonly major: number;
  /** 16 bits. */
  readonly minor: number;
  /** The sender's capabilities. */
  readonly capabilities: Capabilities;
}

/** The capabilities of a peer that names none. @internal Exported for tests. */
export const DEFAULT_CAPABILITIES: Capabilities = {
  maxMsgFds: VFIO_USER_DEFAULT_MAX_MSG_FDS,
  maxDataXferSize: VFIO_USER_DEFAULT_MAX_DATA_XFER_SIZE,
  maxDmaMaps: VFIO_USER_DEFAULT_MAX_DMA_MAPS,
  pageSizes: VFIO_USER_DEFAULT_PGSIZES,
  writeMultiple: false,
  twinSocket: false,
};

/** The most descriptors a message to offer. QEMU refuses a peer that offers more. */
export const MAX_OFFERED_FDS = 16;

/** The most bytes of version data accepted. Peers send a few hundred. */
const MAX_JSON = 64 * 1024;

/** Returns the capabilities that two sides have in common. A server replies with them: peers reject more than they offered. */
export function commonCapabilities(own: Capabilities, offered: Capabilities): Capabilities {
  return {
    maxMsgFds: Math.min(own.maxMsgFds, offered.maxMsgFds),
    maxDataXferSize: Math.min(own.maxDataXferSize, offered.maxDataXferSize),
    maxDmaMaps: Math.min(own.maxDmaMaps, offered.maxDmaMaps),
    pageSizes: Number(BigInt(own.pageSizes) & BigInt(offered.pageSizes)),
    writeMultiple: own.writeMultiple && offered.writeMultiple,
    twinSocket: own.twinSocket && offered.twinSocket,
  };
}

/** Writes the payload of VERSION. The JSON ends with a NUL, as the protocol requires. */
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

/** Reads the payload of VERSION. Ignores unknown capabilities. @throws ERR_PROTOCOL */
export function decodeVersion(payload: Uint8Array): Version {
  const reader = new PayloadReader(payload, 'VERSION');
  const major = reader.u16();
  const minor = reader.u16();
  if (reader.remaining === 0) return { major, minor, capabilities: DEFAULT_CAPABILITIES };
  const data = parseJson(reader);
  if (!isJsonObject(data)) throw reader.fail('the version data must be an object');
  const capabilities = data['capabilities'] ?? {};
  if (!isJsonObject(capabilities)) throw reader.fail('the capabilities must be an object');
  return { major, minor, capabilities: readCapabilities(reader, capabilities) };
}

function parseJson(reader: PayloadReader): unknown {
  if (reader.remaining > MAX_JSON)
    throw reader.fail(`the version data must have at most ${MAX_JSON} bytes. Received ${reader.remaining}`);
  const bytes = reader.bytes(reader.remaining);
  if (bytes.indexOf(0) !== bytes.length - 1) throw reader.fail('the version data must end with its only NUL');
  try {
    // A copy, because TextDecoder rejects bytes of a SharedArrayBuffer.
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes.slice(0, -1)));
  } catch (cause) {
    throw reader.fail('the version data must be JSON in UTF-8', cause);
  }
}

function readCapabilities(reader: PayloadReader, object: Record<string, unknown>): Capabilities {
  const number = (name: string, fallback: number, first: number, last: number): number => {
    const value = object[name] ?? fallback;
    if (typeof value !== 'number' || !Number.isInteger(value) || value < first || value > last) {
      throw reader.fail(`capability ${name} must be an integer from ${first} to ${last}`);
    }
    return value;
  };
  const flag = (holder: Record<string, unknown>, name: string): boolean => {
    const value = holder[name] ?? false;
    if (typeof value !== 'boolean') throw reader.fail(`capability ${name} must be true or false`);
    return value;
  };
  const twinSocket = object['twin_socket'] ?? {};
  if (!isJsonObject(twinSocket)) throw reader.fail('capability twin_socket must be an object');
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

function isJsonObject(value: unknown): value is Record<string, unknown> {
  return isObject(value) && !Array.isArray(value);
}
