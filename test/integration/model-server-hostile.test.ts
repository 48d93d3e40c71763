import assert from 'node:assert/strict';

import fc from 'fast-check';

import { startModel } from '../../lib/models/hosting/start-model.js';
import { REG } from '../../lib/models/testdev/layout.js';
import { addon } from '../../lib/native/addon.js';
import * as wire from '../../lib/vfio-user/protocol/protocol.js';
import { eventually, openFds } from '../support/open-fds.js';
import { RawClient } from '../support/raw-client.js';

const RUNS = Number(process.env['FUZZ_RUNS'] ?? 25);

/** Numbers that break bounds checks, and small ones that pass them. */
const word32 = fc.oneof(
  fc.nat(40),
  fc.constantFrom(0x80, 0x98, 0x800, 4095, 4096, 65535, 65536, 0x7fff_ffff, 0x8000_0000, 0xffff_fffe, 0xffff_ffff),
  fc.nat(0xffff_ffff),
);
const word64 = fc.oneof(
  word32.map(BigInt),
  fc.constantFrom(1n << 32n, (1n << 53n) - 1n, 1n << 53n, 1n << 63n, (1n << 64n) - 1n, (1n << 64n) - 4096n),
  fc.bigInt(0n, (1n << 64n) - 1n),
);
const bytes = fc.uint8Array({ maxLength: 64 });

type Field = ['32', number] | ['64', bigint] | ['bytes', Uint8Array];

function pack(fields: readonly Field[]): Uint8Array {
  const parts = fields.map(([kind, value]) => {
    if (kind === 'bytes') return value;
    const part = new Uint8Array(kind === '32' ? 4 : 8);
    const view = new DataView(part.buffer);
    if (kind === '32') view.setUint32(0, value, true);
    else view.setBigUint64(0, value, true);
    return part;
  });
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

const u32 = word32.map((value): Field => ['32', value]);
const u64 = word64.map((value): Field => ['64', value]);
const tail = bytes.map((value): Field => ['bytes', value]);
const words = (...fields: fc.Arbitrary<Field>[]): fc.Arbitrary<Uint8Array> => fc.tuple(...fields).map(pack);
const flags = fc.constantFrom(0x24, 0x22, 0x21, 0x11, 0x12, 0x14, 0x09, 0x0a).map((value): Field => ['32', value]);
const argsz = fc.constantFrom(0, 16, 20, 24, 32, 40, 4096, 0xffff_ffff).map((value): Field => ['32', value]);
const data = fc.uint8Array({ minLength: 1, maxLength: 40 });
/** An access whose count is right, so that it reaches the device. */
const honestAccess = fc.tuple(word64, fc.nat(9), data).map(([offset, region, value]) => {
  return pack([
    ['64', offset],
    ['32', region],
    ['32', value.length],
    ['bytes', value],
  ]);
});

/** Payloads in the shape of a command's, with fields that make no sense; and bytes that have no shape at all. */
const message = fc.oneof(
  fc.tuple(fc.nat(20), bytes),
  fc.tuple(fc.constant(wire.VFIO_USER_DMA_MAP), words(argsz, u32, u64, u64, u64)),
  fc.tuple(fc.constant(wire.VFIO_USER_DMA_UNMAP), words(argsz, u32, u64, u64)),
  fc.tuple(fc.constant(wire.VFIO_USER_DEVICE_GET_REGION_INFO), words(argsz, u32, u32, u32, u64, u64)),
  fc.tuple(fc.constant(wire.VFIO_USER_DEVICE_GET_REGION_IO_FDS), words(argsz, u32, u32, u32)),
  fc.tuple(fc.constant(wire.VFIO_USER_DEVICE_GET_IRQ_INFO), words(argsz, u32, u32, u32)),
  fc.tuple(fc.constant(wire.VFIO_USER_DEVICE_SET_IRQS), words(argsz, flags, u32, u32, u32, tail)),
  fc.tuple(fc.constantFrom(wire.VFIO_USER_REGION_READ, wire.VFIO_USER_REGION_WRITE), words(u64, u32, u32, tail)),
  fc.tuple(fc.constantFrom(wire.VFIO_USER_REGION_WRITE), honestAccess),
  fc.tuple(fc.constant(wire.VFIO_USER_REGION_WRITE_MULTI), words(u64, u64, u32, u32, u64)),
  fc.tuple(fc.constant(wire.VFIO_USER_DEVICE_FEATURE), words(argsz, u32, tail)),
);

/** What goes beside a message: 0 nothing, 1 an eventfd, 2 memory, 3 a socket. */
const companions = fc.array(fc.constantFrom(1, 2, 3), { maxLength: 3 });
const step = fc.record({ message, companions, noReply: fc.boolean() });

describe('a server and a hostile client', () => {
  const kinds = [addon.eventfdCreate(), addon.memfdCreate('hostile', 0x10000n, 0), ...addon.socketPair()];

  after(() => {
    for (const fd of kinds) addon.closeFdSync(fd);
  });

  /** Takes messages until the reply comes; what the server asks for is refused. @returns false when it left */
  function awaitReply(client: RawClient, id: number): boolean {
    for (;;) {
      const received = client.receive();
      if (received === undefined) return false;
      for (const fd of received.fds) addon.closeFdSync(fd);
      const { header } = received;
      if (header.type === 'reply' && header.id === id) return true;
      if (header.type === 'reply') continue;
      client.sendRaw(wire.encodeMessage({ id: header.id, command: header.command, type: 'reply', errno: 14 }));
    }
  }

  /** SLOW sleeps for as long as DELAY says, which nobody wants to wait for. */
  function isSlow(model: string, [command, payload]: readonly [number, Uint8Array]): boolean {
    if (model !== 'testdev' || command < wire.VFIO_USER_REGION_READ || payload.length < 8) return false;
    const at = command === wire.VFIO_USER_REGION_WRITE_MULTI ? 8 : 0;
    if (payload.length < at + 8) return false;
    const offset = new DataView(payload.buffer, payload.byteOffset).getBigUint64(at, true);
    return offset >= BigInt(REG.DELAY) && offset < BigInt(REG.SLOW + 4);
  }

  for (const model of ['edu', 'testdev']) {
    it(`answer each other: every command of any bytes gets a reply from ${model}`, async () => {
      // The first mapping of a process opens files that stay open.
      await (await startModel({ model })).stop();
      const before = openFds();
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
          const host = await startModel({ model });
          const client = new RawClient(host.socket);
          client.version();
          client.command(7);
          for (const { message, companions, noReply } of steps) {
            if (isSlow(model, message)) continue;
            const fds = companions.map((kind) => kinds[kind - 1] ?? -1);
            const id = client.send(message[0], message[1], fds, noReply);
            if (!noReply) assert.ok(awaitReply(client, id), `the server left at command ${message[0]}`);
          }
          const id = client.send(wire.VFIO_USER_DEVICE_GET_INFO, wire.encodeDeviceInfoQuery());
          assert.ok(awaitReply(client, id), 'the server is still there');
          client.close();
          await host.stop();
        }),
        { numRuns: RUNS },
      );
      await eventually(() => openFds() <= before + 2, 'every descriptor closed');
    }).timeout(120_000);
  }

  it('hang up if the first message is not VERSION 0', async () => {
    const firsts: [command: number, payload: Uint8Array][] = [
      [wire.VFIO_USER_DEVICE_GET_INFO, wire.encodeDeviceInfoQuery()],
      [wire.VFIO_USER_VERSION, Uint8Array.of(1, 0, 0, 0)],
      [wire.VFIO_USER_VERSION, Uint8Array.of(0)],
      [wire.VFIO_USER_VERSION, Uint8Array.of(0, 0, 0, 0, 123, 0)],
    ];
    for (const [command, payload] of firsts) {
      const host = await startModel({ model: 'edu' });
      const client = new RawClient(host.socket);
      assert.equal(client.request(command, payload).header.errno, 22);
      assert.equal(client.receive(), undefined);
      client.close();
      await host.stop();
    }
  });

  it('negotiate 0.0 for any minor version and capabilities', async () => {
    const host = await startModel({ model: 'edu' });
    const client = new RawClient(host.socket);
    const json = new TextEncoder().encode('{"capabilities":{"migration":{},"new":[1],"max_msg_fds":1}}\0');
    const payload = Uint8Array.of(0, 0, 7, 0, ...json);
    const version = wire.decodeVersion(client.expect(wire.VFIO_USER_VERSION, payload).payload);
    assert.deepEqual([version.major, version.minor, version.capabilities.writeMultiple], [0, 0, false]);
    client.close();
    await host.stop();
  });

  it('reply to VERSION with a subset of the client’s capabilities', async () => {
    const offers = [
      // QEMU's. It hangs up if max_msg_fds in the reply is more than 16.
      { maxMsgFds: 16, maxDataXferSize: 1 << 20, maxDmaMaps: 65535, pageSizes: 4096, writeMultiple: true },
      { maxMsgFds: 8, maxDataXferSize: 4096, maxDmaMaps: 32, pageSizes: 1 << 21, writeMultiple: false },
    ];
    for (const offer of offers) {
      const host = await startModel({ model: 'edu' });
      const client = new RawClient(host.socket);
      const capabilities = { ...offer, twinSocket: false };
      assert.deepEqual(wire.decodeVersion(client.version(capabilities).payload).capabilities, capabilities);
      client.close();
      await host.stop();
    }
    const host = await startModel({ model: 'edu' });
    const client = new RawClient(host.socket);
    const most = { maxMsgFds: 1000, maxDataXferSize: 1 << 30, maxDmaMaps: 1 << 30, writeMultiple: true };
    const reply = wire.decodeVersion(client.version({ ...most, twinSocket: false }).payload);
    assert.deepEqual(reply.capabilities, {
      maxMsgFds: 16,
      maxDataXferSize: 1 << 20,
      maxDmaMaps: 65535,
      pageSizes: 4096,
      writeMultiple: true,
      twinSocket: false,
    });
    client.close();
    await host.stop();
  });

  it('hang up on invalid headers and arbitrary bytes', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 16, maxLength: 200 }), fc.boolean(), async (noise, negotiated) => {
        const host = await startModel({ model: 'edu' });
        const ended = new Promise((resolve) => host.onExit(resolve));
        const client = new RawClient(host.socket);
        if (negotiated) client.version();
        // A size below the header's own: no more bytes can make it right.
        noise.set([8, 0, 0, 0], 4);
        client.sendRaw(noise);
        assert.equal(client.receive(), undefined);
        client.close();
        assert.equal(await ended, undefined, 'the thread ends well');
      }),
      { numRuns: 15 },
    );
  });

  it('hang up if the client leaves in the middle of a message', async () => {
    const host = await startModel({ model: 'edu' });
    const ended = new Promise((resolve) => host.onExit(resolve));
    const client = new RawClient(host.socket);
    client.version();
    client.sendRaw(wire.encodeMessage({ id: 1, command: 9, type: 'command' }, new Uint8Array(16)).subarray(0, 20));
    client.close();
    assert.equal(await ended, undefined);
  });
});
