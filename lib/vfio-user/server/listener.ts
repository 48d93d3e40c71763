import { VfioError } from '../../base/errors.js';
import type { Fd } from '../../kernel/kernel.js';
import { addon } from '../../native/addon.js';
import { errnoNumber } from '../../uapi/errno.js';
import { decodeHeader, encodeMessage, HEADER_SIZE, MAX_MESSAGE_FDS } from '../protocol/protocol.js';

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
 * Answers every client that waits at a listening socket with EBUSY and hangs up. Does not wait for a client: one that has
 * not sent its first message is only hung up on.
 * Thread: the server's, between two turns of the client that is being served.
 */
export function refuseClients(listener: Fd): void {
  for (let socket = acceptClient(listener, 0); socket !== undefined; socket = acceptClient(listener, 0)) {
    try {
      refuse(socket);
    } catch (error) {
      // The client left, or its header is malformed.
      if (!(error instanceof VfioError)) throw error;
    } finally {
      addon.closeFdSync(socket);
    }
  }
}

function refuse(socket: Fd): void {
  const header = new Uint8Array(HEADER_SIZE);
  receiveHeader(socket, header);
  const { id, command } = decodeHeader(header);
  const reply = encodeMessage({ id, command, type: 'reply', errno: errnoNumber('EBUSY') });
  addon.socketSend(socket, reply, reply.length, []);
}

/** Receives the header of a message. Leaves the header empty if none has arrived. */
function receiveHeader(socket: Fd, header: Uint8Array): void {
  const fds = new Int32Array(1 + MAX_MESSAGE_FDS);
  try {
    addon.socketReceive(socket, header, fds, 0);
  } catch (error) {
    // The payload does not fit into `header`, which then has the header. The descriptors are closed.
    if (!(error instanceof VfioError) || error.code !== 'EMSGSIZE') throw error;
  }
  for (const fd of fds.subarray(1, 1 + (fds[0] ?? 0))) addon.closeFdSync(fd);
}
