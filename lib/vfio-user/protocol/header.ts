import {
  VFIO_USER_FLAGS_COMMAND,
  VFIO_USER_FLAGS_ERROR,
  VFIO_USER_FLAGS_NO_REPLY,
  VFIO_USER_FLAGS_REPLY,
  VFIO_USER_FLAGS_TYPE_MASK,
} from '../../uapi/vfio-user.js';
import { PayloadReader, PayloadWriter } from './payload.js';

/**
 * The length of the header that starts every message, little endian:
 *
 * | byte offset | size | name    | meaning                                                     |
 * |-------------|------|---------|-------------------------------------------------------------|
 * | 0           | 2    | id      | chosen by the sender of a command; its reply has the same   |
 * | 2           | 2    | command | VFIO_USER_*                                                 |
 * | 4           | 4    | size    | bytes of the whole message, with this header                |
 * | 8           | 4    | flags   | bits 0-3 type (0 command, 1 reply), bit 4 NO_REPLY, 5 ERROR |
 * | 12          | 4    | error   | an errno, if ERROR is set                                   |
 */
export const HEADER_SIZE = 16;

/** The most descriptors that a message can carry. Source: SCM_MAX_FD */
export const MAX_MESSAGE_FDS = 253;

/** The header of a message. */
export interface MessageHeader {
  /** 16 bits. */
  readonly id: number;
  /** A VFIO_USER_* command. */
  readonly command: number;
  /** Bytes of the whole message, with this header. */
  readonly size: number;
  /** The type in the flags. */
  readonly type: 'command' | 'reply';
  /** The sender of the command wants no reply. */
  readonly noReply?: boolean;
  /** The errno of an error reply, positive, or 0 where the server did not say which. Absent: not an error reply. */
  readonly errno?: number;
}

/** Writes a header. @returns `HEADER_SIZE` bytes. @throws ERR_OUT_OF_RANGE @internal Exported for tests. */
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
 * Reads the header at the start of a message. Ignores flag bits that the protocol does not define.
 * An error reply may have a payload, as libvfio-user's do against the specification.
 * @throws ERR_PROTOCOL for fewer than 16 bytes, an unknown type, or a size below 16
 */
export function decodeHeader(message: Uint8Array): MessageHeader {
  const reader = new PayloadReader(message, 'header');
  const id = reader.u16();
  const command = reader.u16();
  const size = reader.u32();
  const flags = reader.u32();
  const errno = reader.u32();
  const type = flags & VFIO_USER_FLAGS_TYPE_MASK;
  if (type > VFIO_USER_FLAGS_REPLY) throw reader.fail(`\`type\` must be 0 or 1. Received ${type}`);
  if (size < HEADER_SIZE) throw reader.fail(`\`size\` must be at least ${HEADER_SIZE}. Received ${size}`);
  if (type === VFIO_USER_FLAGS_COMMAND) {
    return { id, command, size, type: 'command', noReply: (flags & VFIO_USER_FLAGS_NO_REPLY) !== 0 };
  }
  if ((flags & VFIO_USER_FLAGS_ERROR) === 0) return { id, command, size, type: 'reply' };
  return { id, command, size, type: 'reply', errno };
}

/** Writes a whole message: a header with the message's size, and a payload. @throws ERR_OUT_OF_RANGE */
export function encodeMessage(header: Omit<MessageHeader, 'size'>, payload: Uint8Array = new Uint8Array()): Uint8Array {
  const message = new Uint8Array(HEADER_SIZE + payload.length);
  message.set(encodeHeader({ ...header, size: message.length }));
  message.set(payload, HEADER_SIZE);
  return message;
}
