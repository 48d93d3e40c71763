import { Socket } from 'node:net';

import { VfioError } from '../../base/errors.js';
import type { Fd } from '../../kernel/kernel.js';
import { addon } from '../../native/addon.js';
import { errnoNumber } from '../../uapi/errno.js';
import { decodeHeader, encodeMessage, HEADER_SIZE } from '../protocol/protocol.js';

/** How long a client that is refused may take to send its first message. Then it is hung up on without an answer. */
const FIRST_MESSAGE_MS = 1000;
/** How many clients may wait to be refused. Further ones are hung up on at once. */
const MAX_REFUSED = 16;

/**
 * Accepts a client of a listening socket. Blocks: for a server's thread.
 * @returns the socket, which the caller owns; undefined if the time passed or the socket is shut down
 */
export function acceptClient(listener: Fd, timeoutMs: number): Fd | undefined {
  try {
    const socket = addon.unixAccept(listener, timeoutMs);
    return socket < 0 ? undefined : socket;
  } catch (error) {
    if (error instanceof VfioError && error.code === 'EINVAL') return undefined;
    throw error;
  }
}

/**
 * Refuses the clients that connect while another client is served: answers their first message with EBUSY and hangs up.
 * It never blocks, because the served client must not wait for them: it uses the event loop, which turns between two
 * turns of the served client.
 * Thread: the server's.
 */
export class RefusedClients {
  readonly #sockets = new Set<Socket>();

  constructor(private readonly listener: Fd) {}

  /** Accepts the clients that wait. */
  accept(): void {
    for (let fd = acceptClient(this.listener, 0); fd !== undefined; fd = acceptClient(this.listener, 0)) {
      if (this.#sockets.size < MAX_REFUSED) this.#refuse(new Socket({ fd, readable: true, writable: true }));
      else addon.closeFdSync(fd);
    }
  }

  /** Hangs up on all clients that were accepted. */
  close(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #refuse(socket: Socket): void {
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    socket.setTimeout(FIRST_MESSAGE_MS, () => socket.destroy());
    let received = Buffer.alloc(0);
    let answered = false;
    socket.on('data', (bytes) => {
      if (answered) return;
      received = Buffer.concat([received, bytes]);
      if (received.length < HEADER_SIZE) return;
      answered = true;
      answerBusy(socket, received);
    });
  }
}

function answerBusy(socket: Socket, message: Uint8Array): void {
  try {
    const { id, command } = decodeHeader(message);
    socket.write(encodeMessage({ id, command, type: 'reply', errno: errnoNumber('EBUSY') }));
    socket.destroySoon();
  } catch (error) {
    if (!(error instanceof VfioError)) throw error;
    socket.destroy();
  }
}
