import { VfioError } from '../../base/errors.js';
import type { Fd } from '../../kernel/kernel.js';
import { errnoNumber } from '../../uapi/errno.js';
import {
  encodeVersion,
  decodeVersion,
  VFIO_USER_DEFAULT_MAX_DATA_XFER_SIZE,
  VFIO_USER_DEFAULT_MAX_DMA_MAPS,
  VFIO_USER_DEFAULT_PGSIZES,
  VFIO_USER_MAJOR,
  VFIO_USER_MINOR,
  VFIO_USER_VERSION,
} from '../protocol/protocol.js';
import { ClientMemory } from './client-memory.js';
import { COMMANDS, type Reply } from './commands/commands.js';
import type { ServedDevice } from './served-device.js';
import { DmaRanges } from './dma-ranges.js';
import type { OwnedResources } from './owned-resources.js';
import { MessageQueue } from './message-queue.js';
import { MAX_MESSAGE_FDS, Transport, type Message } from './transport.js';

const CAPABILITIES = {
  maxMsgFds: MAX_MESSAGE_FDS,
  maxDataXferSize: VFIO_USER_DEFAULT_MAX_DATA_XFER_SIZE,
  maxDmaMaps: VFIO_USER_DEFAULT_MAX_DMA_MAPS,
  pageSizes: VFIO_USER_DEFAULT_PGSIZES,
  writeMultiple: true,
  twinSocket: false,
};

/** A command under way whose reply is still owed. */
interface Owed {
  readonly message: Message;
  early?: Reply;
  settled: boolean;
}

/**
 * Serves one client of the vfio-user protocol, on a thread of its own that it blocks.
 *
 * Waiting for the client's answer to a DMA_READ or DMA_WRITE, it goes on serving, and it owes nothing meanwhile that it
 * can give: QEMU hands out its answer only after the reply to the write that started the DMA. So a write (or a reset)
 * is answered as done before its DMA is asked for, which is what a posted write on the bus is, and what the client sends
 * meanwhile is served inside the wait. A *read* whose model does DMA cannot be answered early; models do their DMA
 * from writes and timers.
 */
export class VfioUserServer {
  readonly #transport: Transport;
  readonly #dmaRanges: DmaRanges;
  readonly #memory: ClientMemory;
  readonly #requests: MessageQueue;
  readonly #owed: Owed[] = [];
  #negotiated = false;

  /** @param socket a connected socket, which stays the caller's. @param owned where descriptors are written down */
  constructor(
    private readonly device: ServedDevice,
    socket: Fd,
    owned: OwnedResources,
  ) {
    this.#transport = new Transport(socket, owned);
    this.#requests = new MessageQueue(this.#transport, (message) => this.#serve(message));
    this.#dmaRanges = new DmaRanges(owned);
    this.#memory = new ClientMemory(this.#dmaRanges, (command, payload) => {
      this.#payEarly();
      return this.#requests.ask(command, payload);
    });
    device.connect(this.#memory);
  }

  /**
   * Serves for a while: the device's timers, and every message that comes.
   * @param milliseconds after which it returns to the event loop
   * @returns false when the client is gone
   */
  serve(milliseconds: number): boolean {
    const end = performance.now() + milliseconds;
    do {
      const wait = Math.min(this.device.runTimers(), end - performance.now());
      const message = this.#requests.next(Math.max(0, Math.ceil(wait)));
      if (message !== undefined) this.#serve(message);
    } while (this.#transport.open && performance.now() < end);
    return this.#transport.open;
  }

  /** Forgets the client: its memory is unmapped, its eventfds are closed. The socket stays the caller's. */
  close(): void {
    this.#transport.close();
    this.device.disconnect();
    this.#dmaRanges.clear();
    this.#requests.clear();
  }

  #serve(message: Message): void {
    const owed: Owed = { message, settled: message.header.noReply === true };
    this.#owed.push(owed);
    try {
      this.#settle(owed, this.#perform(owed));
    } catch (error) {
      this.#fail(owed, errnoOf(error));
    } finally {
      message.fds.closeRest();
      this.#owed.splice(this.#owed.indexOf(owed), 1);
    }
  }

  #perform(owed: Owed): Reply {
    const { header, payload, fds } = owed.message;
    if (!this.#negotiated) return this.#negotiate(header.command, payload);
    const command = COMMANDS.get(header.command);
    if (command === undefined) throw new VfioError('vfio-user: unknown command', EOPNOTSUPP);
    const promise = (answer: Reply): void => {
      owed.early = answer;
    };
    return command({ device: this.device, dmaRanges: this.#dmaRanges, fds, promise }, payload);
  }

  /** The first message has to be a VERSION of this major; anything else ends the connection after an error reply. */
  #negotiate(command: number, payload: Uint8Array): Reply {
    try {
      if (command !== VFIO_USER_VERSION) throw new VfioError('vfio-user: no VERSION yet', EINVAL);
      const version = decodeVersion(payload);
      if (version.major !== VFIO_USER_MAJOR) throw new VfioError('vfio-user: another major version', EINVAL);
      this.#memory.maxTransfer = Math.min(version.capabilities.maxDataXferSize, CAPABILITIES.maxDataXferSize);
      this.#negotiated = true;
    } catch (error) {
      const owed = this.#owed.at(-1);
      if (owed !== undefined) this.#fail(owed, errnoOf(error));
      this.#transport.close();
      throw error;
    }
    return { payload: encodeVersion({ major: VFIO_USER_MAJOR, minor: VFIO_USER_MINOR, capabilities: CAPABILITIES }) };
  }

  /** Gives every reply that does not hang on what the device finds out. */
  #payEarly(): void {
    for (const owed of this.#owed) {
      if (owed.early !== undefined) this.#settle(owed, owed.early);
    }
  }

  #settle(owed: Owed, answer: Reply): void {
    if (owed.settled) return;
    owed.settled = true;
    const { id, command } = owed.message.header;
    this.#transport.send({ id, command, type: 'reply' }, answer.payload, answer.fds);
  }

  #fail(owed: Owed, errno: number): void {
    if (owed.settled) return;
    owed.settled = true;
    const { id, command } = owed.message.header;
    this.#transport.send({ id, command, type: 'reply', errno });
  }
}

const EINVAL = { code: 'EINVAL', errno: errnoNumber('EINVAL') } as const;
const EOPNOTSUPP = { code: 'EOPNOTSUPP', errno: errnoNumber('EOPNOTSUPP') } as const;

/** A system error has its number; bytes that make no sense are EINVAL; what a model throws is EIO. */
function errnoOf(error: unknown): number {
  if (!(error instanceof VfioError)) return errnoNumber('EIO');
  if (error.errno !== undefined && error.errno > 0) return error.errno;
  return errnoNumber(error.code === 'ERR_PROTOCOL' || error.code === 'ERR_OUT_OF_RANGE' ? 'EINVAL' : 'EIO');
}
