/**
 * The vfio-user server around a PCI function, with forged messages of a client. Each command that wants a reply gets one,
 * with its id; errors are errnos; the model is accessed inside its BARs alone; what the client gave is released. The
 * socket is a list here: the native reader of sockets has a target of its own.
 *
 * An input is messages: a byte of what (bits 0-1: 0 command, 1 command without a reply, 2 reply, 3 true reply to the
 * server's DMA; bits 2-3: descriptors), a byte for the command, a length and a payload.
 */
import assert from 'node:assert/strict';

import type { Fd } from '../../../lib/kernel/kernel.js';
import { EmulatedFunction } from '../../../lib/models/pci-function/emulated-function.js';
import { addon } from '../../../lib/native/addon.js';
import * as wire from '../../../lib/vfio-user/protocol/protocol.js';
import { OwnedResources } from '../../../lib/vfio-user/server/owned-resources.js';
import { VfioUserServer } from '../../../lib/vfio-user/server/vfio-user-server.js';
import { encodeRegionWriteMulti } from '../../support/peer-codec.js';
import { Input } from '../input.js';
import { FUZZ_REG, fuzzModel, ModelFailure } from './server-model.js';

const SOCKET = -2;
const MAX_MESSAGES = 64;
const VERSION = wire.encodeVersion({
  major: 0,
  minor: 0,
  capabilities: { ...wire.DEFAULT_CAPABILITIES, maxMsgFds: 8 },
});

interface SentMessage {
  readonly header: wire.MessageHeader;
  readonly payload: Uint8Array;
}

/** The client's side: what it sends, and what it got. */
class Client {
  /** The commands that have had no reply, by id. */
  readonly waiting = new Map<number, number>();
  readonly #input: Input;
  readonly #asked: SentMessage[] = [];
  #nextId = 0;
  #left = MAX_MESSAGES;

  constructor(input: Input) {
    this.#input = input;
  }

  /** Fills the buffer with the next message, as `socketReceive` does. */
  send(buffer: Uint8Array, fds: Int32Array): number {
    if (this.#nextId > 0 && (this.#input.left === 0 || this.#left-- === 0)) return 0;
    const message = this.#nextId === 0 && this.#input.left > 0 ? this.#first() : this.#next(fds);
    buffer.set(message);
    return message.length;
  }

  /** Takes a message of the server, as `socketSend` does. */
  take(message: Uint8Array): void {
    const header = wire.decodeHeader(message);
    assert.equal(header.size, message.length, 'a message has its length');
    if (header.type === 'command') return void this.#asked.push({ header, payload: message.slice(wire.HEADER_SIZE) });
    assert.equal(this.waiting.get(header.id), header.command, 'a reply has the id and command of its command');
    this.waiting.delete(header.id);
    if (header.errno === undefined) return;
    assert.ok(header.errno > 0 && header.errno < 4096, `an errno of ${header.errno}`);
    assert.equal(message.length, wire.HEADER_SIZE, 'an error has no payload');
  }

  #first(): Uint8Array {
    fill(this.#fds, 0);
    return this.#command(wire.VFIO_USER_VERSION, VERSION, false);
  }

  readonly #fds = new Int32Array(1);

  #next(fds: Int32Array): Uint8Array {
    const kind = this.#input.u8();
    const command = this.#input.u8();
    const payload = this.#input.bytes(this.#input.u8());
    fill(fds, (kind >> 2) & 3);
    if ((kind & 3) === 3 && this.#asked.length > 0) return this.#trueReply(this.#asked.shift() as SentMessage);
    if ((kind & 3) === 2) return wire.encodeMessage({ id: command, command: 11 + (kind >> 7), type: 'reply' }, payload);
    return this.#command(command % 20, payload, (kind & 3) === 1);
  }

  #command(command: number, payload: Uint8Array, noReply: boolean): Uint8Array {
    const id = this.#nextId++;
    if (!noReply) this.waiting.set(id, command);
    return wire.encodeMessage({ id, command, type: 'command', noReply }, payload);
  }

  #trueReply({ header: { id, command }, payload }: SentMessage): Uint8Array {
    const read = command === wire.VFIO_USER_DMA_READ;
    const count = Number(new DataView(payload.buffer, payload.byteOffset).getBigUint64(8, true));
    const access = payload.slice(0, 16);
    return wire.encodeMessage(
      { id, command, type: 'reply' },
      Uint8Array.from([...access, ...new Uint8Array(read ? count : 0)]),
    );
  }
}

/** Puts new descriptors where `socketReceive` puts those that it received: an eventfd, memory, an eventfd. */
function fill(fds: Int32Array, count: number): void {
  fds[0] = count;
  for (let i = 1; i <= count; i++) fds[i] = i === 2 ? addon.memfdCreate('fuzz', 8192n, 0) : addon.eventfdCreate();
}

let client = new Client(new Input(new Uint8Array()));
Object.assign(addon, {
  socketReceive: (_socket: Fd, buffer: Uint8Array, fds: Int32Array) => {
    fds[0] = 0;
    return client.send(buffer, fds);
  },
  socketSend: (_socket: Fd, buffer: Uint8Array, length: number) => client.take(buffer.slice(0, length)),
} satisfies Partial<typeof addon>);

export function fuzz(bytes: Uint8Array): void {
  const before = lowestFreeFd();
  const owned = new OwnedResources(OwnedResources.memory(256));
  const failures: unknown[] = [];
  const device = new EmulatedFunction(fuzzModel, undefined, owned, (error) => failures.push(error));
  const server = new VfioUserServer(device, SOCKET, owned);
  client = new Client(new Input(bytes));
  while (server.serve(0));
  server.close();
  device.close();
  for (const failure of failures) if (!(failure instanceof ModelFailure)) throw failure;
  assert.equal(lowestFreeFd(), before, 'every descriptor is closed');
}

/** The kernel gives the lowest free number: it is the same again if nothing is left open. */
function lowestFreeFd(): Fd {
  const fd = addon.eventfdCreate();
  addon.closeFdSync(fd);
  return fd;
}

export const seeds: readonly Uint8Array[] = [
  messages([0, wire.VFIO_USER_DEVICE_GET_INFO, wire.encodeDeviceInfoQuery()]),
  messages([0, wire.VFIO_USER_DEVICE_GET_REGION_INFO, wire.encodeRegionInfoQuery({ argsz: 128, index: 2 })]),
  messages([4, wire.VFIO_USER_DEVICE_SET_IRQS, wire.encodeIrqSet({ flags: 0x24, index: 1, start: 0, count: 1 })]),
  messages([0, wire.VFIO_USER_REGION_WRITE_MULTI, encodeRegionWriteMulti([write(0, 32, 1), write(2, 0, 1)])]),
  messages([0, wire.VFIO_USER_DMA_MAP, wire.encodeDmaMap({ flags: 3, fdOffset: 0n, iova: 0x1000n, size: 0x1000n })]),
  dmaSeed(0, 3),
  dmaSeed(8, 0),
];

function write(
  regionIndex: number,
  regionOffset: number,
  value: number,
): Parameters<typeof encodeRegionWriteMulti>[0][0] {
  return { regionIndex, regionOffset, data: Uint8Array.of(value, 0, 0, 0) };
}

/** A device that is on reads memory of the client: with a descriptor (`kind` 8), or by a message and a true reply. */
function dmaSeed(kind: number, replies: number): Uint8Array {
  const map = wire.encodeDmaMap({ flags: 3, fdOffset: 0n, iova: 0n, size: 0x1000n });
  const put = (regionIndex: number, offset: number, value: number): [number, number, Uint8Array] => {
    const data = Uint8Array.of(value, 0, 0, 0);
    const access = { regionIndex, regionOffset: offset, count: 4 };
    return [0, wire.VFIO_USER_REGION_WRITE, wire.encodeRegionAccess(access, data)];
  };
  const steps = [put(7, 4, 7), put(0, FUZZ_REG.COUNT, 64), put(0, FUZZ_REG.READ, 1), put(0, FUZZ_REG.WRITE, 1)];
  const answers = new Array<[number, number, Uint8Array]>(replies).fill([3, 0, new Uint8Array()]);
  return messages([kind, wire.VFIO_USER_DMA_MAP, map], ...steps, ...answers);
}

function messages(...list: readonly (readonly [kind: number, command: number, payload: Uint8Array])[]): Uint8Array {
  return Uint8Array.from(list.flatMap(([kind, command, payload]) => [kind, command, payload.length, ...payload]));
}
