/**
 * A scripted vfio-user server in a thread of its own. Its device has 256 bytes of memory in region 0. The script `honest`
 * answers correctly; the name of every other script says what it does wrong.
 */
import { once } from 'node:events';
import { openSync } from 'node:fs';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';

import { addon } from '../../lib/native/addon.js';
import * as wire from '../../lib/vfio-user/protocol/protocol.js';

interface Command {
  readonly header: wire.MessageHeader;
  readonly payload: Uint8Array;
  readonly fds: readonly number[];
}
type Script = (server: Server, command: Command) => void;

class Server {
  readonly memory = new Uint8Array(256);
  readonly #socket: number;
  readonly #buffer = new Uint8Array(wire.VFIO_USER_DEFAULT_MAX_DATA_XFER_SIZE + 4096);
  readonly #fds = new Int32Array(254);
  /** Commands that arrived while the server waited for a reply of the client. */
  readonly #waiting: Command[] = [];
  #open = true;

  constructor(socket: number) {
    this.#socket = socket;
  }

  receive(): Command | undefined {
    return this.#waiting.shift() ?? this.#receiveNow();
  }

  #receiveNow(): Command | undefined {
    if (!this.#open) return undefined;
    const length = addon.socketReceive(this.#socket, this.#buffer, this.#fds, 10_000);
    if (length <= 0) return undefined;
    const message = this.#buffer.slice(0, length);
    const fds = [...this.#fds.subarray(1, 1 + (this.#fds[0] ?? 0))];
    return { header: wire.decodeHeader(message), payload: message.subarray(wire.HEADER_SIZE), fds };
  }

  raw(bytes: Uint8Array, fds: readonly number[] = []): void {
    addon.socketSend(this.#socket, bytes, bytes.length, fds);
  }

  reply({ header }: Command, payload?: Uint8Array, lie: Partial<wire.MessageHeader> = {}): void {
    this.raw(wire.encodeMessage({ id: header.id, command: header.command, type: 'reply', ...lie }, payload));
  }

  /** Sends a DMA command to the client. @returns its reply */
  dma(command: number, payload: Uint8Array): Command {
    this.raw(wire.encodeMessage({ id: 0xbeef, command, type: 'command' }, payload));
    return this.nextReply();
  }

  /** Waits for the next reply and keeps the commands that arrive before it. */
  nextReply(): Command {
    for (;;) {
      const message = this.#receiveNow();
      if (message === undefined) throw new Error('the client closed the connection');
      if (message.header.type === 'reply') return message;
      this.#waiting.push(message);
    }
  }

  sleep(milliseconds: number): void {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
  }

  /** Closes the socket, unless the script has closed it. */
  close(): void {
    if (this.#open) addon.closeFdSync(this.#socket);
    this.#open = false;
  }
}

const answer = (server: Server, command: Command): void => {
  const { header, payload } = command;
  if (header.command === wire.VFIO_USER_REGION_READ) {
    const access = wire.decodeRegionAccess(payload);
    if (access.regionOffset + access.count > 256) return server.reply(command, undefined, { errno: 22 });
    const data = server.memory.slice(access.regionOffset, access.regionOffset + access.count);
    return server.reply(command, wire.encodeRegionAccess(access, data));
  }
  if (header.command === wire.VFIO_USER_REGION_WRITE) {
    const { data, ...access } = wire.decodeRegionData(payload);
    server.memory.set(data, access.regionOffset);
    return server.reply(command, wire.encodeRegionAccess(access));
  }
  if (header.command === wire.VFIO_USER_DEVICE_GET_INFO) {
    return server.reply(command, wire.encodeDeviceInfo({ flags: 3, numRegions: 9, numIrqs: 5 }));
  }
  if (header.command === wire.VFIO_USER_DEVICE_GET_IRQ_INFO) {
    const index = wire.decodeIrqInfoQuery(payload);
    return server.reply(command, wire.encodeIrqInfo({ flags: 1, index, count: 4 }));
  }
  if (header.command === wire.VFIO_USER_DEVICE_GET_REGION_INFO) return regionInfo(server, command);
  if (header.command === wire.VFIO_USER_DEVICE_SET_IRQS) return setIrqs(server, command);
  return server.reply(command, header.command === wire.VFIO_USER_DMA_UNMAP ? payload : undefined);
};

const regionInfo = (server: Server, command: Command): void => {
  const { index, argsz } = wire.decodeRegionInfoQuery(command.payload);
  const capabilities = index === 2 ? { sparseMmap: [{ offset: 4096n, size: 4096n }] } : {};
  const info = { index, flags: index === 2 ? 7 : 3, size: 8192n, offset: 0n, capabilities };
  const payload = wire.encodeRegionInfo(info, argsz);
  const { id, command: number } = command.header;
  if (index !== 2) return server.reply(command, payload);
  const file = openSync('/dev/zero', 'r');
  server.raw(wire.encodeMessage({ id, command: number, type: 'reply' }, payload), [file]);
  addon.closeFdSync(file);
};

/** Signals each eventfd with its vector's number plus 1, then closes it. */
const setIrqs = (server: Server, command: Command): void => {
  const { start } = wire.decodeIrqSet(command.payload);
  for (const [i, fd] of command.fds.entries()) {
    addon.eventfdWrite(fd, start + i + 1);
    addon.closeFdSync(fd);
  }
  server.reply(command);
};

const regionReply = (offset: number, count: number, data: number) =>
  wire.encodeRegionAccess({ regionOffset: offset, regionIndex: 0, count }, new Uint8Array(data));

/** Runs the script on REGION_READ and answers all other commands correctly. */
const onRead =
  (lie: Script): Script =>
  (server, command) =>
    command.header.command === wire.VFIO_USER_REGION_READ ? lie(server, command) : answer(server, command);

const lies = {
  honest: answer,
  'short header': onRead((server) => (server.raw(new Uint8Array(16)), server.close())),
  'half a message': onRead((server, { header }) => {
    const whole = wire.encodeMessage({ id: header.id, command: 9, type: 'reply' }, regionReply(0, 4, 4));
    server.raw(whole.subarray(0, 20));
    server.close();
  }),
  'size over the limit': onRead((server, { header }) =>
    server.raw(wire.encodeHeader({ id: header.id, command: 9, type: 'reply', size: 0x7fff_ffff })),
  ),
  'unknown type': onRead((server) => {
    const message = wire.encodeHeader({ id: 0, command: 9, type: 'reply', size: 16 });
    message[8] = 3;
    server.raw(message);
  }),
  'wrong id': onRead((server, command) =>
    server.reply(command, regionReply(0, 4, 4), { id: command.header.id ^ 0x100 }),
  ),
  'another command': onRead((server, command) => server.reply(command, regionReply(0, 4, 4), { command: 10 })),
  'no data': onRead((server, command) => server.reply(command, regionReply(0, 4, 0))),
  'too much data': onRead((server, command) => server.reply(command, regionReply(0, 64, 64))),
  'another offset': onRead((server, command) => server.reply(command, regionReply(8, 4, 4))),
  'an errno of 2^31': onRead((server, command) => server.reply(command, undefined, { errno: 0x8000_0000 })),
  /** As libvfio-user answers a REGION_READ that fails: 33 bytes, ERROR set. */
  'an error with a payload': onRead((server, command) => server.reply(command, regionReply(0, 1, 1), { errno: 22 })),
  'never answers': onRead(() => undefined),
  'answers late': onRead((server, command) => {
    const file = openSync('/dev/null', 'r');
    const { id } = command.header;
    server.sleep(450);
    server.raw(wire.encodeMessage({ id, command: 9, type: 'reply' }, regionReply(0, 4, 4)), [file]);
    addon.closeFdSync(file);
  }),
  descriptors: onRead((server, { header }) => {
    const file = openSync('/dev/null', 'r');
    const message = wire.encodeMessage({ id: header.id, command: 9, type: 'reply' }, regionReply(0, 4, 4));
    server.raw(message, [file, file, file]);
    addon.closeFdSync(file);
  }),
  'hangs up': onRead((server) => server.close()),
  /** A write to region 0 copies by DMA before the reply. Bytes 0 to 7 are the source IOVA, 8 to 15 the target, 16 to 19 the count. */
  dma: (server: Server, command: Command): void => {
    if (command.header.command !== wire.VFIO_USER_REGION_WRITE) return answer(server, command);
    const { data } = wire.decodeRegionData(command.payload);
    const view = new DataView(data.buffer, data.byteOffset);
    const count = view.getUint32(16, true);
    const read = server.dma(wire.VFIO_USER_DMA_READ, wire.encodeDmaAccess({ iova: view.getBigUint64(0, true), count }));
    if (read.header.errno !== undefined) return server.reply(command, undefined, { errno: read.header.errno });
    const bytes = wire.decodeDmaData(read.payload).data;
    const iova = view.getBigUint64(8, true);
    const written = server.dma(wire.VFIO_USER_DMA_WRITE, wire.encodeDmaAccess({ iova, count }, bytes));
    if (written.header.errno !== undefined) return server.reply(command, undefined, { errno: written.header.errno });
    const { regionOffset, regionIndex } = wire.decodeRegionData(command.payload);
    return server.reply(command, wire.encodeRegionAccess({ regionOffset, regionIndex, count: data.length }));
  },
  /**
   * Replies to a reset, then sends 8 MiB of DMA writes to IOVA 0 to 8191 before it reads a message again. A last write of
   * 0xee to IOVA 8191 shows that the server has received all replies.
   */
  'dma flood': (server: Server, command: Command): void => {
    if (command.header.command === wire.VFIO_USER_REGION_WRITE) {
      const { data, ...access } = wire.decodeRegionData(command.payload);
      return server.reply(command, wire.encodeRegionAccess({ ...access, count: data.length }));
    }
    answer(server, command);
    if (command.header.command !== wire.VFIO_USER_DEVICE_RESET) return;
    const payload = wire.encodeDmaAccess({ iova: 0n, count: 8192 }, new Uint8Array(8192).fill(0xdd));
    const message = wire.encodeMessage({ id: 1, command: wire.VFIO_USER_DMA_WRITE, type: 'command' }, payload);
    for (let i = 0; i < 1024; i++) server.raw(message);
    for (let i = 0; i < 1024; i++) {
      const reply = server.nextReply();
      if (reply.header.errno !== undefined) throw new Error(`DMA failed: ${reply.header.errno}`);
    }
    server.dma(wire.VFIO_USER_DMA_WRITE, wire.encodeDmaAccess({ iova: 8191n, count: 1 }, Uint8Array.of(0xee)));
  },
  /** Does not read its socket for 1 s after a reset. */
  'stops reading': (server: Server, command: Command): void => {
    answer(server, command);
    if (command.header.command === wire.VFIO_USER_DEVICE_RESET) server.sleep(1000);
  },
} satisfies Record<string, Script>;

export type ScriptName = keyof typeof lies;

/** Starts a server on one end of a socket pair. @returns the other end, and a promise of the thread's exit */
export async function startServer(
  script: ScriptName,
  version: Partial<wire.Version> = {},
): Promise<{ socket: number; ended: Promise<void> }> {
  const [socket, theirs] = addon.socketPair();
  const worker = new Worker(new URL(import.meta.url), {
    workerData: { theirs, script, version },
    // Node.js opens the descriptors and the addon closes them. A worker that tracked them would close reused numbers at its exit.
    trackUnmanagedFds: false,
  });
  const ended = new Promise<void>((resolve, reject) => {
    worker.on('error', reject);
    worker.on('exit', () => resolve());
  });
  await once(worker, 'message');
  return { socket, ended };
}

function serve({
  theirs,
  script,
  version,
}: {
  theirs: number;
  script: ScriptName;
  version: Partial<wire.Version>;
}): void {
  const server = new Server(theirs);
  const offer = { major: 0, minor: 0, capabilities: { ...wire.DEFAULT_CAPABILITIES, maxMsgFds: 2 }, ...version };
  parentPort?.postMessage('listening');
  try {
    for (;;) {
      const command = server.receive();
      if (command === undefined) break;
      if (command.header.command === wire.VFIO_USER_VERSION) server.reply(command, wire.encodeVersion(offer));
      else lies[script](server, command);
    }
  } catch (error) {
    // The server ends when its client closes the connection, even in the middle of a message.
    if (!['EPIPE', 'ECONNRESET'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  } finally {
    server.close();
  }
}

if (!isMainThread && workerData !== null) serve(workerData as Parameters<typeof serve>[0]);
