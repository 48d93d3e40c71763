import { VfioError } from '../../base/errors.js';
import type { ConnectionHandle, DeviceInfo, Fd, IoTarget, IrqInfo, IrqSet, RegionInfo } from '../../kernel/kernel.js';
import { addon } from '../../native/addon.js';
import type { DomainHandle } from '../../native/vfio-user.js';
import { VFIO_IRQ_SET_DATA_EVENTFD, VFIO_REGION_INFO_FLAG_MMAP } from '../../uapi/vfio.js';
import { VFIO_REGION_INFO_MINSZ } from '../../uapi/vfio-sizes.js';
import * as wire from '../protocol/protocol.js';
import { irqMessages } from './irq-messages.js';
import { CommandSender, type ReceivedReply } from './command-sender.js';

/** The capabilities of this client. */
const CLIENT_CAPABILITIES: wire.Capabilities = {
  maxMsgFds: wire.MAX_OFFERED_FDS,
  maxDataXferSize: wire.VFIO_USER_DEFAULT_MAX_DATA_XFER_SIZE,
  maxDmaMaps: wire.VFIO_USER_DEFAULT_MAX_DMA_MAPS,
  pageSizes: wire.VFIO_USER_DEFAULT_PGSIZES,
  writeMultiple: true,
  twinSocket: false,
};

/** The most room offered for a region's capability chain, in bytes. */
const MAX_REGION_INFO = 64 * 1024;

/** Options of a client. */
export interface VfioUserClientOptions {
  /** How long a command may take, in milliseconds above 0. Then it fails with ETIMEDOUT. Default 5000. */
  readonly timeoutMs?: number;
}

/** A region as the server describes it. */
export interface RegionAnswer {
  readonly info: RegionInfo;
  /** The descriptor to map the region by, if it can be mapped. The caller closes it. */
  readonly fd?: Fd;
}

/**
 * The client of one vfio-user device. A method rejects with a `VfioError`: the server's errno; ETIMEDOUT; ENODEV if the
 * server left or violated the protocol; ERR_PROTOCOL for a reply that does not fit the command. `syscall` names the
 * command, such as `vfio-user(DEVICE_GET_INFO)`.
 *
 * Thread: any one thread. The connection's handle (`ioTarget`) serves region accesses of every thread.
 */
export class VfioUserClient {
  /** The native connection. */
  readonly connection: ConnectionHandle;
  /** The server's capabilities. */
  readonly capabilities: wire.Capabilities;
  readonly #requests: CommandSender;

  private constructor(requests: CommandSender, capabilities: wire.Capabilities) {
    this.connection = requests.connection;
    this.capabilities = capabilities;
    this.#requests = requests;
  }

  /**
   * Connects to a server and negotiates version 0.0.
   * @param socket a path, or a connected socket, which the client owns from now on, also if the call fails
   * @throws ENOENT, ECONNREFUSED; ERR_NOT_SUPPORTED for another version; ERR_PROTOCOL
   */
  static async connect(socket: Fd | string, options: VfioUserClientOptions = {}): Promise<VfioUserClient> {
    const fd = typeof socket === 'string' ? await addon.unixConnect(socket) : socket;
    const path = typeof socket === 'string' ? socket : undefined;
    const requests = new CommandSender(addon.connectionOpen(fd, options.timeoutMs ?? 5000), path);
    try {
      const capabilities = await negotiate(requests);
      addon.connectionSetMaxTransfer(requests.connection, capabilities.maxDataXferSize);
      return new VfioUserClient(requests, capabilities);
    } catch (error) {
      await addon.connectionClose(requests.connection);
      throw error;
    }
  }

  /** The target of region accesses to this device. */
  get ioTarget(): IoTarget {
    return { kind: 'vfio-user', connection: this.connection };
  }

  /** Whether the connection is still open, as far as is known. */
  get alive(): boolean {
    return addon.connectionAlive(this.connection);
  }

  /** An eventfd that is signalled when the server is gone. The connection owns it. @throws EBADF if closed */
  get hangupEvent(): Fd {
    return addon.connectionHangupEvent(this.connection);
  }

  /** Describes the device. Sends DEVICE_GET_INFO. */
  deviceInfo(): Promise<DeviceInfo> {
    return this.#plain('DEVICE_GET_INFO', wire.VFIO_USER_DEVICE_GET_INFO, wire.encodeDeviceInfoQuery(), (payload) =>
      wire.decodeDeviceInfo(payload),
    );
  }

  /**
   * Describes a region. Sends DEVICE_GET_REGION_INFO, and sends it again if the reply needs more room.
   * @param regionIndex from 0, less than the device's numRegions
   * @returns the region with its capabilities, and the descriptor to map it by; the caller closes it
   * @throws EINVAL for an index that the device does not have
   */
  async regionInfo(regionIndex: number): Promise<RegionAnswer> {
    const first = await this.#regionInfo(regionIndex, VFIO_REGION_INFO_MINSZ);
    if (first.argsz <= VFIO_REGION_INFO_MINSZ) return first.answer;
    if (first.answer.fd !== undefined) addon.closeFdSync(first.answer.fd);
    return (await this.#regionInfo(regionIndex, first.argsz)).answer;
  }

  /**
   * Describes an interrupt index. Sends DEVICE_GET_IRQ_INFO.
   * @param irqIndex from 0, less than the device's numIrqs
   * @throws EINVAL for an index that the device does not have
   */
  irqInfo(irqIndex: number): Promise<IrqInfo> {
    const query = wire.encodeIrqInfoQuery(irqIndex);
    return this.#plain('DEVICE_GET_IRQ_INFO', wire.VFIO_USER_DEVICE_GET_IRQ_INFO, query, (payload) => {
      const info = wire.decodeIrqInfo(payload);
      if (info.index !== irqIndex) throw wire.protocolError(`the reply is for irqIndex ${info.index}`);
      return info;
    });
  }

  /**
   * Sets up, masks, unmasks or triggers interrupts. Sends DEVICE_SET_IRQS. The caller keeps its eventfds. A list of
   * eventfds that contains -1, or that is longer than the server accepts, needs several messages. They are sent in
   * order; if one fails, those before it stay in effect.
   * @throws EINVAL; ERR_INVALID_ARGUMENT if there are not `count` eventfds
   */
  async setIrqs(set: IrqSet): Promise<void> {
    const eventfds = (set.flags & VFIO_IRQ_SET_DATA_EVENTFD) === 0 ? undefined : (set.eventfds ?? []);
    const messages = eventfds === undefined ? [{ set, fds: [] }] : irqMessages(set, eventfds, this.#maxFds);
    for (const { set: part, fds } of messages) {
      const payload = wire.encodeIrqSet(part);
      await this.#empty('DEVICE_SET_IRQS', wire.VFIO_USER_DEVICE_SET_IRQS, payload, fds);
    }
  }

  /** Resets the device. Sends DEVICE_RESET. @throws ENOTTY, EOPNOTSUPP or EINVAL, as the server has it, if it cannot */
  reset(): Promise<void> {
    return this.#empty('DEVICE_RESET', wire.VFIO_USER_DEVICE_RESET, new Uint8Array());
  }

  /**
   * Maps memory for the device's DMA. Sends DMA_MAP.
   * @param fd the memory's file, for the server to map; the caller keeps it. Without it, the server sends DMA messages
   * @throws EEXIST if a part of the range is mapped already
   */
  dmaMap(map: wire.WireDmaMap, fd?: Fd): Promise<void> {
    return this.#empty('DMA_MAP', wire.VFIO_USER_DMA_MAP, wire.encodeDmaMap(map), fd === undefined ? [] : [fd]);
  }

  /** Unmaps a range. Sends DMA_UNMAP. The server no longer uses the memory when this resolves. */
  dmaUnmap(unmap: Omit<wire.WireDmaUnmap, 'flags'>): Promise<void> {
    const payload = wire.encodeDmaUnmap({ ...unmap, flags: 0 });
    return this.#plain('DMA_UNMAP', wire.VFIO_USER_DMA_UNMAP, payload, (reply) => {
      // Some servers repeat the range in the reply, some send no payload.
      if (reply.length > 0) wire.decodeDmaUnmap(reply);
    });
  }

  /**
   * Reads from a region. Sends REGION_READ, several if `length` exceeds the server's max_data_xfer_size.
   * @param regionOffset bytes from the start of the region
   * @param length bytes
   * @returns the bytes; fewer than `length` if the server returned fewer
   */
  async regionRead(regionIndex: number, regionOffset: number, length: number): Promise<Uint8Array> {
    const target = new Uint8Array(length);
    const done = await this.#inPieces(length, async (at, count) => {
      const access = { regionOffset: regionOffset + at, regionIndex, count };
      const payload = wire.encodeRegionAccess(access);
      return this.#plain('REGION_READ', wire.VFIO_USER_REGION_READ, payload, (reply) => {
        const answer = wire.decodeRegionData(reply);
        checkReply(access, answer);
        target.set(answer.data, at);
        return answer.count;
      });
    });
    return target.subarray(0, done);
  }

  /**
   * Writes to a region. Sends REGION_WRITE, several if `data` exceeds the server's max_data_xfer_size.
   * @param regionOffset bytes from the start of the region
   * @returns how many bytes the server wrote
   */
  regionWrite(regionIndex: number, regionOffset: number, data: Uint8Array): Promise<number> {
    return this.#inPieces(data.length, (at, count) => {
      const access = { regionOffset: regionOffset + at, regionIndex, count };
      const payload = wire.encodeRegionAccess(access, data.subarray(at, at + count));
      return this.#plain('REGION_WRITE', wire.VFIO_USER_REGION_WRITE, payload, (reply) => {
        const answer = wire.decodeRegionAccess(reply);
        checkReply(access, answer);
        return answer.count;
      });
    });
  }

  /** Answers the device's DMA messages by a domain. Without a domain they fault. */
  setDomain(domain: DomainHandle | undefined): void {
    addon.connectionSetDomain(this.connection, domain ?? 0);
  }

  /** Closes the socket. Commands that wait fail with ENODEV. @throws EBADF if closed already */
  async close(): Promise<void> {
    await addon.connectionClose(this.connection);
  }

  get #maxFds(): number {
    return Math.max(1, Math.min(this.capabilities.maxMsgFds, wire.MAX_MESSAGE_FDS));
  }

  async #regionInfo(index: number, argsz: number): Promise<{ answer: RegionAnswer; argsz: number }> {
    const name = 'DEVICE_GET_REGION_INFO';
    const query = wire.encodeRegionInfoQuery({ argsz, index });
    return this.#requests.send(name, wire.VFIO_USER_DEVICE_GET_REGION_INFO, query, [], (reply) =>
      readRegionInfo(reply, index, argsz),
    );
  }

  #plain<T>(name: string, command: number, payload: Uint8Array, read: (payload: Uint8Array) => T): Promise<T> {
    return this.#requests.send(name, command, payload, [], (reply) => read(reply.payload));
  }

  #empty(name: string, command: number, payload: Uint8Array, fds: readonly Fd[] = []): Promise<void> {
    return this.#requests.send(name, command, payload, fds, (reply) => {
      if (reply.payload.length > 0) throw wire.protocolError('the reply has a payload');
    });
  }

  async #inPieces(length: number, move: (at: number, count: number) => Promise<number>): Promise<number> {
    const most = Math.min(this.capabilities.maxDataXferSize, CLIENT_CAPABILITIES.maxDataXferSize);
    let done = 0;
    do {
      const piece = Math.min(length - done, most);
      const moved = await move(done, piece);
      done += moved;
      if (moved < piece) break;
    } while (done < length);
    return done;
  }
}

async function negotiate(requests: CommandSender): Promise<wire.Capabilities> {
  const offer = { major: wire.VFIO_USER_MAJOR, minor: wire.VFIO_USER_MINOR, capabilities: CLIENT_CAPABILITIES };
  return requests.send('VERSION', wire.VFIO_USER_VERSION, wire.encodeVersion(offer), [], (reply) => {
    const { major, minor, capabilities } = wire.decodeVersion(reply.payload);
    if (major !== offer.major || minor > offer.minor) {
      throw new VfioError(`the server speaks version ${major}.${minor}, this client 0.0`, {
        code: 'ERR_NOT_SUPPORTED',
      });
    }
    if (capabilities.twinSocket) throw wire.protocolError('the server requires a twin socket, which was not offered');
    return capabilities;
  });
}

function readRegionInfo(reply: ReceivedReply, index: number, room: number): { answer: RegionAnswer; argsz: number } {
  const { info, argsz } = wire.decodeRegionInfo(reply.payload);
  if (info.index !== index) throw wire.protocolError(`the reply is for regionIndex ${info.index}`);
  if (argsz > MAX_REGION_INFO)
    throw wire.protocolError(`the region info needs ${argsz} bytes, more than ${MAX_REGION_INFO}`);
  if (argsz > room && room > VFIO_REGION_INFO_MINSZ)
    throw wire.protocolError('the region info grew between two replies');
  if (reply.payload.length > room) throw wire.protocolError('the region info is longer than the room for it');
  if (reply.fdCount > 1) throw wire.protocolError(`${reply.fdCount} descriptors for one region`);
  const fd = (info.flags & VFIO_REGION_INFO_FLAG_MMAP) === 0 ? undefined : reply.keepFd();
  return { argsz, answer: fd === undefined ? { info } : { info, fd } };
}

function checkReply(asked: wire.WireRegionAccess, got: wire.WireRegionAccess): void {
  const same = got.regionOffset === asked.regionOffset && got.regionIndex === asked.regionIndex;
  if (!same || got.count > asked.count) throw wire.protocolError('the reply is for another access');
}
