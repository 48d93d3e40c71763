import { VfioError } from '../../base/errors.js';
import type { Fd } from '../../kernel/kernel.js';
import { addon } from '../../native/addon.js';
import {
  decodeHeader,
  encodeMessage,
  HEADER_SIZE,
  VFIO_USER_DEFAULT_MAX_DATA_XFER_SIZE,
  type MessageHeader,
} from '../protocol/protocol.js';
import type { OwnedResources } from './owned-resources.js';
import { ReceivedFds } from './received-fds.js';

/** As many as one sendmsg can carry. Source: SCM_MAX_FD */
export const MAX_MESSAGE_FDS = 253;
/** A REGION_WRITE of the largest transfer is the largest message. */
const MAX_MESSAGE_SIZE = HEADER_SIZE + 16 + VFIO_USER_DEFAULT_MAX_DATA_XFER_SIZE;

/** A received message. The payload is a view of a buffer that lives until the next message at the same depth. */
export interface Message {
  readonly header: MessageHeader;
  readonly payload: Uint8Array;
  readonly fds: ReceivedFds;
}

/** The server's end of a socket: whole messages with their descriptors. Thread: one alone, which it blocks. */
export class Transport {
  readonly #buffers: Uint8Array[] = [];
  readonly #fds = new Int32Array(1 + MAX_MESSAGE_FDS);
  #open = true;

  constructor(
    private readonly socket: Fd,
    private readonly owned: OwnedResources,
  ) {}

  /** False once the peer is gone, broke the protocol, or does not read any more. */
  get open(): boolean {
    return this.#open;
  }

  /** Gives up on the peer; whoever owns the socket closes it. */
  close(): void {
    this.#open = false;
  }

  /**
   * Waits for a message.
   * @param depth which buffer to use: a message that is still being served keeps its own
   * @returns undefined when `timeoutMs` passed or the connection ended
   */
  receive(timeoutMs: number, depth: number): Message | undefined {
    if (!this.#open) return undefined;
    const buffer = (this.#buffers[depth] ??= new Uint8Array(MAX_MESSAGE_SIZE));
    const length = this.#guard(() => addon.socketReceive(this.socket, buffer, this.#fds, timeoutMs));
    if (length === undefined || length < 0) return undefined;
    if (length === 0) {
      this.close();
      return undefined;
    }
    const fds = new ReceivedFds(this.#takeFds(), this.owned);
    const header = this.#guard(() => decodeHeader(buffer.subarray(0, length)));
    if (header !== undefined) return { header, payload: buffer.subarray(HEADER_SIZE, length), fds };
    fds.closeRest();
    return undefined;
  }

  /** Sends a message; a peer that is gone or does not read ends the connection. */
  send(header: Omit<MessageHeader, 'size'>, payload?: Uint8Array, fds: readonly Fd[] = []): void {
    if (!this.#open) return;
    const message = encodeMessage(header, payload);
    this.#guard(() => addon.socketSend(this.socket, message, message.length, fds));
  }

  #takeFds(): Fd[] {
    const count = this.#fds[0] ?? 0;
    return count === 0 ? [] : [...this.#fds.subarray(1, 1 + count)];
  }

  /** What goes wrong with the socket or the stream ends the connection, and nothing else. */
  #guard<T>(action: () => T): T | undefined {
    try {
      return action();
    } catch (error) {
      if (!(error instanceof VfioError)) throw error;
      this.close();
      return undefined;
    }
  }
}
