import { VfioError } from '../../base/errors.js';
import type { Fd } from '../../kernel/kernel.js';
import { errnoNumber } from '../../uapi/errno.js';
import {
  commonCapabilities,
  encodeVersion,
  decodeVersion,
  MAX_OFFERED_FDS,
  VFIO_USER_DEFAULT_MAX_DATA_XFER_SIZE,
  VFIO_USER_DEFAULT_MAX_DMA_MAPS,
  VFIO_USER_MAJOR,
  VFIO_USER_MINOR,
  VFIO_USER_VERSION,
} from '../protocol/protocol.js';
import { ClientMemory } from './client-memory.js';
import type { Reply } from './commands/command.js';
import { COMMANDS } from './commands/commands.js';
import type { ServedDevice } from './served-device.js';
import { DmaRanges } from './dma-ranges.js';
import type { OwnedResources } from './owned-resources.js';
import { MessageQueue } from './message-queue.js';
import { Transport, type Message } from './transport.js';

/** The most that this server supports. Its DMA maps are not bound to pages, so it supports every page size. */
const CAPABILITIES = {
  maxMsgFds: MAX_OFFERED_FDS,
  maxDataXferSize: VFIO_USER_DEFAULT_MAX_DATA_XFER_SIZE,
  maxDmaMaps: VFIO_USER_DEFAULT_MAX_DMA_MAPS,
  pageSizes: Number.MAX_SAFE_INTEGER,
  writeMultiple: true,
  twinSocket: false,
};

/** A command that is being performed. */
interface RunningCommand {
  readonly message: Message;
  /** The reply that may be sent before the command is done. */
  early?: Reply;
  /** Whether the reply is sent, or the client wants none. */
  replied: boolean;
}

/**
 * Serves one client of the vfio-user protocol. It blocks its thread.
 *
 * While the server waits for the client's reply to a DMA_READ or DMA_WRITE, it serves the client's commands. Before it
 * waits, it sends every reply that it can send: QEMU answers the DMA only after it has the reply to the write that
 * started the DMA. So a write and a reset are answered before their DMA, like a posted write on a bus. A read cannot be
 * answered before its DMA; models do DMA in writes and timers.
 */
export class VfioUserServer {
  readonly #transport: Transport;
  readonly #dmaRanges: DmaRanges;
  readonly #memory: ClientMemory;
  readonly #messages: MessageQueue;
  readonly #running: RunningCommand[] = [];
  #negotiated = false;

  /**
   * @param socket a connected socket; the caller owns it
   * @param owned records the descriptors and mappings that the server holds
   */
  constructor(
    private readonly device: ServedDevice,
    socket: Fd,
    owned: OwnedResources,
  ) {
    this.#transport = new Transport(socket, owned);
    this.#messages = new MessageQueue(this.#transport, (message) => this.#serve(message));
    this.#dmaRanges = new DmaRanges(owned);
    this.#memory = new ClientMemory(this.#dmaRanges, (command, payload) => {
      this.#sendEarlyReplies();
      return this.#messages.ask(command, payload);
    });
    device.connect(this.#memory);
  }

  /**
   * Serves the client's messages and runs the device's timers.
   * @param milliseconds how long, at most the time of one command more
   * @returns false if the client is gone
   */
  serve(milliseconds: number): boolean {
    const end = performance.now() + milliseconds;
    do {
      const wait = Math.min(this.device.runTimers(), end - performance.now());
      const message = this.#messages.next(Math.max(0, Math.ceil(wait)));
      if (message !== undefined) this.#serve(message);
    } while (this.#transport.open && performance.now() < end);
    return this.#transport.open;
  }

  /** Releases everything of the client: unmaps its memory and closes its eventfds. The caller closes the socket. */
  close(): void {
    this.#transport.close();
    this.device.disconnect();
    this.#dmaRanges.clear();
    this.#messages.clear();
  }

  #serve(message: Message): void {
    const running: RunningCommand = { message, replied: message.header.noReply === true };
    this.#running.push(running);
    try {
      this.#sendReply(running, this.#perform(running));
    } catch (error) {
      this.#sendError(running, errnoOf(error));
    } finally {
      message.fds.closeRest();
      this.#running.splice(this.#running.indexOf(running), 1);
    }
  }

  #perform(running: RunningCommand): Reply {
    const { header, payload, fds } = running.message;
    if (!this.#negotiated) return this.#negotiate(running);
    fds.requireAll();
    const command = COMMANDS.get(header.command);
    if (command === undefined) throw new VfioError('vfio-user: unknown command', EOPNOTSUPP);
    const allowEarlyReply = (reply: Reply): void => {
      running.early = reply;
    };
    return command({ device: this.device, dmaRanges: this.#dmaRanges, fds, allowEarlyReply }, payload);
  }

  /** Answers the first message, which must be VERSION 0. Otherwise sends an error and ends the connection. */
  #negotiate(running: RunningCommand): Reply {
    const { header, payload } = running.message;
    try {
      if (header.command !== VFIO_USER_VERSION) throw new VfioError('vfio-user: no VERSION yet', EINVAL);
      const version = decodeVersion(payload);
      if (version.major !== VFIO_USER_MAJOR) throw new VfioError('vfio-user: another major version', EINVAL);
      const capabilities = commonCapabilities(CAPABILITIES, version.capabilities);
      this.#memory.maxTransfer = capabilities.maxDataXferSize;
      this.#negotiated = true;
      return { payload: encodeVersion({ major: VFIO_USER_MAJOR, minor: VFIO_USER_MINOR, capabilities }) };
    } catch (error) {
      this.#sendError(running, errnoOf(error));
      this.#transport.close();
      throw error;
    }
  }

  #sendEarlyReplies(): void {
    for (const running of this.#running) {
      if (running.early !== undefined) this.#sendReply(running, running.early);
    }
  }

  #sendReply(running: RunningCommand, reply: Reply): void {
    if (running.replied) return;
    running.replied = true;
    const { id, command } = running.message.header;
    this.#transport.send({ id, command, type: 'reply' }, reply.payload, reply.fds);
  }

  #sendError(running: RunningCommand, errno: number): void {
    if (running.replied) return;
    running.replied = true;
    const { id, command } = running.message.header;
    this.#transport.send({ id, command, type: 'reply', errno });
  }
}

const EINVAL = { code: 'EINVAL', errno: errnoNumber('EINVAL') } as const;
const EOPNOTSUPP = { code: 'EOPNOTSUPP', errno: errnoNumber('EOPNOTSUPP') } as const;

/** Chooses the errno of an error reply: a system error's own, EINVAL for a malformed message, EIO for a model's error. */
function errnoOf(error: unknown): number {
  if (!(error instanceof VfioError)) return errnoNumber('EIO');
  if (error.errno !== undefined && error.errno > 0) return error.errno;
  return errnoNumber(error.code === 'ERR_PROTOCOL' || error.code === 'ERR_OUT_OF_RANGE' ? 'EINVAL' : 'EIO');
}
