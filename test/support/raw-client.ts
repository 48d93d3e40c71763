import { addon } from '../../lib/native/addon.js';
import type { Fd } from '../../lib/kernel/kernel.js';
import {
  decodeHeader,
  decodeRegionData,
  encodeDmaMap,
  encodeMessage,
  encodeRegionAccess,
  encodeVersion,
  HEADER_SIZE,
  DEFAULT_CAPABILITIES,
  VFIO_USER_DMA_MAP,
  VFIO_USER_DMA_MAP_FLAG_READ,
  VFIO_USER_DMA_MAP_FLAG_WRITE,
  VFIO_USER_REGION_READ,
  VFIO_USER_REGION_WRITE,
  VFIO_USER_VERSION,
  type MessageHeader,
} from '../../lib/vfio-user/protocol/protocol.js';
import { PCI_COMMAND } from '../../lib/uapi/pci.js';
import { VFIO_PCI_CONFIG_REGION_INDEX } from '../../lib/uapi/vfio.js';

/** A received message. */
export interface RawMessage {
  readonly header: MessageHeader;
  readonly payload: Uint8Array;
  readonly fds: Fd[];
}

const WAIT_MS = 5000;

/** A client that sends any message, valid or not, and blocks until the answer arrives. */
export class RawClient {
  readonly #buffer = new Uint8Array(2 << 20);
  readonly #slots = new Int32Array(254);
  #nextId = 1;

  constructor(readonly socket: Fd) {}

  /** Sends a command. @returns its id */
  send(command: number, payload: Uint8Array = new Uint8Array(), fds: Fd[] = [], noReply = false): number {
    const id = this.#nextId;
    this.#nextId = (id + 1) & 0xffff;
    const message = encodeMessage({ id, command, type: 'command', noReply }, payload);
    addon.socketSend(this.socket, message, message.length, fds);
    return id;
  }

  sendRaw(message: Uint8Array, fds: Fd[] = []): void {
    addon.socketSend(this.socket, message, message.length, fds);
  }

  /** Receives a message; undefined at the end of the connection. @throws if no message arrives within 5 s */
  receive(): RawMessage | undefined {
    const length = addon.socketReceive(this.socket, this.#buffer, this.#slots, WAIT_MS);
    if (length < 0) throw new Error('no message arrived within 5 s');
    if (length === 0) return undefined;
    const header = decodeHeader(this.#buffer.subarray(0, length));
    const fds = [...this.#slots.subarray(1, 1 + (this.#slots[0] ?? 0))];
    return { header, payload: this.#buffer.slice(HEADER_SIZE, length), fds };
  }

  /** Sends a command and receives its reply. @throws if another message arrives first */
  request(command: number, payload?: Uint8Array, fds: Fd[] = []): RawMessage {
    const id = this.send(command, payload, fds);
    const reply = this.receive();
    if (reply === undefined) throw new Error('the server closed the connection');
    if (reply.header.type !== 'reply' || reply.header.id !== id)
      throw new Error('a message arrived that is not the reply');
    return reply;
  }

  /** Sends a command that must succeed. @throws with the errno if it fails */
  expect(command: number, payload?: Uint8Array, fds: Fd[] = []): RawMessage {
    const reply = this.request(command, payload, fds);
    if (reply.header.errno !== undefined) throw new Error(`command ${command} failed with ${reply.header.errno}`);
    return reply;
  }

  version(capabilities = {}): RawMessage {
    const all = { ...DEFAULT_CAPABILITIES, maxMsgFds: 16, ...capabilities };
    return this.expect(VFIO_USER_VERSION, encodeVersion({ major: 0, minor: 0, capabilities: all }));
  }

  read(regionIndex: number, regionOffset: number, count: number): Uint8Array {
    const reply = this.expect(VFIO_USER_REGION_READ, encodeRegionAccess({ regionIndex, regionOffset, count }));
    return decodeRegionData(reply.payload).data;
  }

  write(regionIndex: number, regionOffset: number, data: Uint8Array): void {
    const access = encodeRegionAccess({ regionIndex, regionOffset, count: data.length }, data);
    this.expect(VFIO_USER_REGION_WRITE, access);
  }

  read32(regionIndex: number, regionOffset: number): number {
    const data = this.read(regionIndex, regionOffset, 4);
    return new DataView(data.buffer, data.byteOffset).getUint32(0, true);
  }

  write32(regionIndex: number, regionOffset: number, value: number): void {
    this.write(regionIndex, regionOffset, bytes32(value));
  }

  write64(regionIndex: number, regionOffset: number, value: bigint): void {
    this.write(regionIndex, regionOffset, bytes64(value));
  }

  /** Maps memory without a file: the server reaches it by messages. */
  mapMessages(iova: bigint, size: bigint): void {
    const flags = VFIO_USER_DMA_MAP_FLAG_READ | VFIO_USER_DMA_MAP_FLAG_WRITE;
    this.expect(VFIO_USER_DMA_MAP, encodeDmaMap({ flags, fdOffset: 0n, iova, size }));
  }

  /** Writes the command register. */
  command(bits: number): void {
    this.write(VFIO_PCI_CONFIG_REGION_INDEX, PCI_COMMAND, bytes32(bits).subarray(0, 2));
  }

  close(): void {
    addon.closeFdSync(this.socket);
  }
}

export function bytes32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}

export function bytes64(value: bigint): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, value, true);
  return bytes;
}
