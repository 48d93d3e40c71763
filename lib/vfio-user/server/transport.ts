import { VfioError } from '../../base/errors.js';
import type { Fd } from '../../kernel/kernel.js';
import { addon } from '../../native/addon.js';
import {
  decodeHeader,
  encodeMessage,
  HEADER_SIZE,
  MAX_MESSAGE_FDS,
  VFIO_USER_DEFAULT_MAX_DATA_XFER_SIZE,
  type MessageHeader,
} from '../protocol/protocol.js';
import type { OwnedResources } from './owned-resources.js';
import { ReceivedFds } from './received-fds.js';

/** The size of the largest message, a REGION_WRITE of the most data. */
const MAX_MESSAGE_SIZE = HEADER_SIZE + 16 + VFIO_USER_DEFAULT_MAX_DATA_XFER_SIZE;

/** A received message. `payload` is a view that is valid until the next message at the same depth. */
export interface Message {
  readonly header: MessageHeader;
  readonly payload: Uint8Array;
  readonly fds: ReceivedFds;
}

/** The server's end of a socket, for whole messages with their descriptors. Thread: one only, which it blocks. */
export class Transport {
  readonly #buffers: Uint8Array[] = [];
  readonly #fds = new Int32Array(1 + MAX_MESSAGE_FDS);
  #open = true;

  constructor(
    private readonly socket: Fd,
    private readonly owned: OwnedResources,
  ) {}

  /** False after the peer left, violated the protocol, or stopped reading. */
  get open(): boolean {
    return this.#open;
  }

  /** Ends the connection. The owner of the socket closes it. */
  close(): void {
    this.#open = false;
  }

  /**
   * Waits for a message.
   * @param depth the index of the buffer to use: a message that is still being served keeps its own buffer
   * @returns undefined if `timeoutMs` passed or the connection ended
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

  /** Sends a message. If the peer left or does not read, the connection ends. */
  send(header: Omit<MessageHeader, 'size'>, payload?: Uint8Array, fds: readonly Fd[] = []): void {
    if (!this.#open) return;
    const message = encodeMessage(header, payload);
    this.#guard(() => addon.socketSend(this.socket, message, message.length, fds));
  }

  #takeFds(): Fd[] {
    const count = this.#fds[0] ?? 0;
    return count === 0 ? [] : [...this.#fds.subarray(1, 1 + count)];
  }

  /** Runs an action. If it fails by the socket or by a malformed message, the connection ends. */
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
