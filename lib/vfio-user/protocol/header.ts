import {
  VFIO_USER_FLAGS_COMMAND,
  VFIO_USER_FLAGS_ERROR,
  VFIO_USER_FLAGS_NO_REPLY,
  VFIO_USER_FLAGS_REPLY,
  VFIO_USER_FLAGS_TYPE_MASK,
} from '../../uapi/vfio-user.js';
import { PayloadReader, PayloadWriter } from './payload.js';

/**
 * The 16 bytes before every message, host (little) endian:
 *
 * | offset | size | name    |                                                        |
 * |--------|------|---------|--------------------------------------------------------|
 * | 0      | 2    | id      | the sender's; a reply has its command's                |
 * | 2      | 2    | command |                                                        |
 * | 4      | 4    | size    | bytes, of the whole message, this header included      |
 * | 8      | 4    | flags   | bits 0-3 type (0 command, 1 reply), 4 NO_REPLY, 5 ERROR |
 * | 12     | 4    | error   | an errno, with ERROR                                   |
 */
export const HEADER_SIZE = 16;

/** A message's header, its flags taken apart. */
export interface MessageHeader {
  readonly id: number;
  readonly command: number;
  /** Bytes of the whole message, this header included. */
  readonly size: number;
  readonly type: 'command' | 'reply';
  /** The sender of a command wants no reply to it. */
  readonly noReply?: boolean;
  /** The positive errno of an error reply; it may be 0, as the protocol lets a server not say which. */
  readonly errno?: number;
}

/** Writes a header. @returns 16 bytes. @throws ERR_OUT_OF_RANGE */
export function encodeHeader(header: MessageHeader): Uint8Array {
  const flags =
    (header.type === 'reply' ? VFIO_USER_FLAGS_REPLY : VFIO_USER_FLAGS_COMMAND) |
    (header.noReply === true ? VFIO_USER_FLAGS_NO_REPLY : 0) |
    (header.errno === undefined ? 0 : VFIO_USER_FLAGS_ERROR);
  const writer = new PayloadWriter(HEADER_SIZE);
  writer.u16(header.id).u16(header.command).u32(header.size).u32(flags);
  return writer.u32(header.errno ?? 0).bytes;
}

/**
 * Reads the header at the start of a message. Flag bits that the protocol does not define are passed over.
 * @throws ERR_PROTOCOL for fewer than 16 bytes, an unknown type, a size below 16, an error reply with a payload
 */
export function decodeHeader(message: Uint8Array): MessageHeader {
  const reader = new PayloadReader(message, 'header');
  const id = reader.u16();
  const command = reader.u16();
  const size = reader.u32();
  const flags = reader.u32();
  const errno = reader.u32();
  const type = flags & VFIO_USER_FLAGS_TYPE_MASK;
  if (type > VFIO_USER_FLAGS_REPLY) throw reader.fail(`type ${type} is not known`);
  if (size < HEADER_SIZE) throw reader.fail(`size ${size} is less than the header's`);
  if (type === VFIO_USER_FLAGS_COMMAND) {
    return { id, command, size, type: 'command', noReply: (flags & VFIO_USER_FLAGS_NO_REPLY) !== 0 };
  }
  if ((flags & VFIO_USER_FLAGS_ERROR) === 0) return { id, command, size, type: 'reply' };
  if (size !== HEADER_SIZE) throw reader.fail('an error reply has a payload');
  return { id, command, size, type: 'reply', errno };
}

/** Puts a header in front of a payload. @returns the whole message; `size` is worked out */
export function encodeMessage(header: Omit<MessageHeader, 'size'>, payload: Uint8Array = new Uint8Array()): Uint8Array {
  const message = new Uint8Array(HEADER_SIZE + payload.length);
  message.set(encodeHeader({ ...header, size: message.length }));
  message.set(payload, HEADER_SIZE);
  return message;
}
