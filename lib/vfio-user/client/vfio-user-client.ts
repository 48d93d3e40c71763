import { VfioError } from '../../base/errors.js';
import type { ConnectionHandle, DeviceInfo, Fd, IoTarget, IrqInfo, IrqSet, RegionInfo } from '../../kernel/kernel.js';
import { addon } from '../../native/addon.js';
import type { DomainHandle } from '../../native/vfio-user.js';
import { VFIO_IRQ_SET_DATA_EVENTFD, VFIO_REGION_INFO_FLAG_MMAP } from '../../uapi/vfio.js';
import * as wire from '../protocol/protocol.js';
import { irqMessages } from './irq-messages.js';
import { type ReceivedReply, CommandSender } from './command-sender.js';

/** What this engine says of itself in VERSION. */
export const CLIENT_CAPABILITIES: wire.Capabilities = {
  maxMsgFds: 16,
  maxDataXferSize: wire.VFIO_USER_DEFAULT_MAX_DATA_XFER_SIZE,
  maxDmaMaps: wire.VFIO_USER_DEFAULT_MAX_DMA_MAPS,
  pageSizes: wire.VFIO_USER_DEFAULT_PGSIZES,
  writeMultiple: true,
  twinSocket: false,
};

/** Room for a region's capability chain; a server that wants more is not believed. */
const MAX_REGION_INFO = 64 * 1024;

export interface VfioUserClientOptions {
  /** Milliseconds, above 0, after which a command fails with ETIMEDOUT. Default 5000. */
  readonly timeoutMs?: number;
}

/** A region's answer: `fd`, the caller's to close, is there when the region may be mapped. */
export interface RegionAnswer {
  readonly info: RegionInfo;
  readonly fd?: Fd;
}

/**
 * The client of one vfio-user device. Every method rejects with a `VfioError`: the server's errno; `ETIMEDOUT`;
 * `ENODEV` once the server is gone or its stream made no sense; `ERR_PROTOCOL` for a reply that is none to the command.
 * `syscall` names the command, as `vfio-user(DEVICE_GET_INFO)`.
 *
 * Thread: any one thread; the connection's handle (`ioTarget`) serves region accesses of every thread.
 */
export class VfioUserClient {
  readonly connection: ConnectionHandle;
  /** What the server said in VERSION. */
  readonly capabilities: wire.Capabilities;
  readonly #requests: CommandSender;

  private constructor(requests: CommandSender, capabilities: wire.Capabilities) {
    this.connection = requests.connection;
    this.capabilities = capabilities;
    this.#requests = requests;
  }

  /**
   * Connects to a server and agrees on the version, 0.0.
   * @param socket a path, or a connected socket, which is the client's from the call on, even when it fails
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

  /** How the region path reaches this device. */
  get ioTarget(): IoTarget {
    return { kind: 'vfio-user', connection: this.connection };
  }

  /** Whether the server is still there, as far as is known. */
  get alive(): boolean {
    return addon.connectionAlive(this.connection);
  }

  /** An eventfd, the connection's own, that counts when the server is gone. @throws EBADF when closed */
  get hangupEvent(): Fd {
    return addon.connectionHangupEvent(this.connection);
  }

  /** Asks what the device is. Source: DEVICE_GET_INFO */
  deviceInfo(): Promise<DeviceInfo> {
    return this.#plain('DEVICE_GET_INFO', wire.VFIO_USER_DEVICE_GET_INFO, wire.encodeDeviceInfoQuery(), (payload) =>
      wire.decodeDeviceInfo(payload),
    );
  }

  /**
   * Asks for a region, again with the room that the first answer wants.
   * @param regionIndex 0 up to the device's numRegions
   * @returns the region with its capabilities, and the descriptor to map it by, which is the caller's to close
   * @throws EINVAL for an index that the device does not have
   * Source: DEVICE_GET_REGION_INFO
   */
  async regionInfo(regionIndex: number): Promise<RegionAnswer> {
    const first = await this.#regionInfo(regionIndex, wire.REGION_INFO_SIZE);
    if (first.argsz <= wire.REGION_INFO_SIZE) return first.answer;
    if (first.answer.fd !== undefined) addon.closeFdSync(first.answer.fd);
    return (await this.#regionInfo(regionIndex, first.argsz)).answer;
  }

  /**
   * Asks for an interrupt index.
   * @param irqIndex 0 up to the device's numIrqs
   * @throws EINVAL for an index that the device does not have
   * Source: DEVICE_GET_IRQ_INFO
   */
  irqInfo(irqIndex: number): Promise<IrqInfo> {
    const query = wire.encodeIrqInfoQuery(irqIndex);
    return this.#plain('DEVICE_GET_IRQ_INFO', wire.VFIO_USER_DEVICE_GET_IRQ_INFO, query, (payload) => {
      const info = wire.decodeIrqInfo(payload);
      if (info.index !== irqIndex) throw wire.protocolError(`the answer is of irqIndex ${info.index}`);
      return info;
    });
  }

  /**
   * Sets up, masks, unmasks or triggers interrupts. Eventfds stay the caller's. The protocol has no empty place among
   * descriptors, so a list with -1 in it, or one longer than the server takes at once, goes out in several messages, in
   * order; when one fails those before it stay done.
   * @throws EINVAL; ERR_INVALID_ARGUMENT when there are not `count` eventfds
   * Source: DEVICE_SET_IRQS
   */
  async setIrqs(set: IrqSet): Promise<void> {
    const eventfds = (set.flags & VFIO_IRQ_SET_DATA_EVENTFD) === 0 ? undefined : (set.eventfds ?? []);
    const messages = eventfds === undefined ? [{ set, fds: [] }] : irqMessages(set, eventfds, this.#maxFds);
    for (const { set: part, fds } of messages) {
      const payload = wire.encodeIrqSet(part);
      await this.#empty('DEVICE_SET_IRQS', wire.VFIO_USER_DEVICE_SET_IRQS, payload, fds);
    }
  }

  /** Resets the device. @throws ENOTTY, EOPNOTSUPP or EINVAL, by the server, where it cannot. Source: DEVICE_RESET */
  reset(): Promise<void> {
    return this.#empty('DEVICE_RESET', wire.VFIO_USER_DEVICE_RESET, new Uint8Array());
  }

  /**
   * Tells the server of memory that its device may reach.
   * @param fd with it, which stays the caller's, the server may map the memory itself; without, it sends DMA messages
   * @throws EEXIST where something is mapped already
   * Source: DMA_MAP
   */
  dmaMap(map: wire.WireDmaMap, fd?: Fd): Promise<void> {
    return this.#empty('DMA_MAP', wire.VFIO_USER_DMA_MAP, wire.encodeDmaMap(map), fd === undefined ? [] : [fd]);
  }

  /** Takes a range of memory away; the server has let it go when this resolves. Source: DMA_UNMAP */
  dmaUnmap(unmap: Omit<wire.WireDmaUnmap, 'flags'>): Promise<void> {
    const payload = wire.encodeDmaUnmap({ ...unmap, flags: 0 });
    return this.#plain('DMA_UNMAP', wire.VFIO_USER_DMA_UNMAP, payload, (reply) => {
      // Some servers give the range back, some nothing.
      if (reply.length > 0) wire.decodeDmaUnmap(reply);
    });
  }

  /**
   * Reads from a region, off the event loop.
   * @param regionOffset bytes
   * @param length bytes; over the server's max_data_xfer_size it takes several messages
   * @returns the bytes, fewer than asked for where the server stopped
   * Source: REGION_READ
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
   * Writes to a region, off the event loop.
   * @param regionOffset bytes
   * @returns the count of bytes that the server took
   * Source: REGION_WRITE
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

  /** Puts the device's DMA messages behind a domain; undefined: they fault. */
  setDomain(domain: DomainHandle | undefined): void {
    addon.connectionSetDomain(this.connection, domain ?? 0);
  }

  /** Closes the socket; what waits fails with ENODEV. @throws EBADF the second time */
  async close(): Promise<void> {
    await addon.connectionClose(this.connection);
  }

  get #maxFds(): number {
    return Math.max(1, Math.min(this.capabilities.maxMsgFds, 253));
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
    if (capabilities.twinSocket) throw wire.protocolError('the server wants a twin socket that was not offered');
    return capabilities;
  });
}

function readRegionInfo(reply: ReceivedReply, index: number, room: number): { answer: RegionAnswer; argsz: number } {
  const { info, argsz } = wire.decodeRegionInfo(reply.payload);
  if (info.index !== index) throw wire.protocolError(`the answer is of regionIndex ${info.index}`);
  if (argsz > MAX_REGION_INFO) throw wire.protocolError(`the region info wants ${argsz} bytes`);
  if (argsz > room && room > wire.REGION_INFO_SIZE) throw wire.protocolError('the region info grows');
  if (reply.payload.length > room) throw wire.protocolError('the region info is longer than its room');
  if (reply.fdCount > 1) throw wire.protocolError(`${reply.fdCount} descriptors for one region`);
  const fd = (info.flags & VFIO_REGION_INFO_FLAG_MMAP) === 0 ? undefined : reply.keepFd();
  return { argsz, answer: fd === undefined ? { info } : { info, fd } };
}

function checkReply(asked: wire.WireRegionAccess, got: wire.WireRegionAccess): void {
  const same = got.regionOffset === asked.regionOffset && got.regionIndex === asked.regionIndex;
  if (!same || got.count > asked.count) throw wire.protocolError('the reply is of another access');
}
