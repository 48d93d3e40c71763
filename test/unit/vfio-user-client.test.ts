import assert from 'node:assert/strict';
import { closeSync, readdirSync } from 'node:fs';

import { VfioError } from '../../lib/errors.js';
import { addon } from '../../lib/native/addon.js';
import type { DomainHandle } from '../../lib/native/vfio-user.js';
import { VfioUserClient } from '../../lib/vfio-user/client.js';
import type { Version } from '../../lib/vfio-user/protocol.js';
import { type ScriptName, startServer } from '../support/vfio-user-server.js';

const openFds = () => readdirSync('/proc/self/fd').length;
const threads = () => readdirSync('/proc/self/task').length;

/** Runs `body` with a client of a scripted server and finds no descriptor left of either afterwards. */
async function withClient(
  script: ScriptName,
  body: (client: VfioUserClient) => Promise<void> | void,
  options: { timeoutMs?: number; version?: Partial<Version> } = {},
): Promise<void> {
  const before = openFds();
  const { socket, ended } = startServer(script, options.version);
  const client = await VfioUserClient.connect(socket, { timeoutMs: options.timeoutMs ?? 5000 });
  try {
    await body(client);
  } finally {
    await client.close();
    await ended;
  }
  assert.equal(openFds(), before, 'descriptors left open');
}

describe('vfio-user client', () => {
  // The first worker opens descriptors that its process keeps.
  before(() => withClient('honest', () => undefined).catch(() => undefined));

  it('asks an honest server for everything', () =>
    withClient('honest', async (client) => {
      assert.deepEqual(await client.deviceInfo(), { flags: 3, numRegions: 9, numIrqs: 5 });
      assert.deepEqual(await client.irqInfo(2), { flags: 1, index: 2, count: 4 });
      assert.equal((await client.regionInfo(0)).fd, undefined);
      const { info, fd } = await client.regionInfo(2);
      assert.deepEqual(info.capabilities, { sparseMmap: [{ offset: 4096n, size: 4096n }] });
      assert.ok(fd !== undefined && addon.isOpenFd(fd));
      closeSync(fd);
      await client.reset();
      await client.dmaMap({ flags: 3, fdOffset: 0n, iova: 0n, size: 4096n });
      await client.dmaUnmap({ iova: 0n, size: 4096n });
      assert.equal(await client.regionWrite(0, 8, Uint8Array.of(1, 2, 3, 4)), 4);
      assert.deepEqual([...(await client.regionRead(0, 8, 4))], [1, 2, 3, 4]);
      assert.equal(client.alive, true);
    }));

  it('reads and writes regions on the calling thread', () =>
    withClient('honest', ({ connection }) => {
      assert.equal(addon.connectionRegionWrite(connection, 0, 4n, Uint8Array.of(9, 8)), 2);
      const target = new Uint8Array(3);
      assert.equal(addon.connectionRegionRead(connection, 0, 4n, target), 3);
      assert.deepEqual([...target], [9, 8, 0]);
      assert.equal(addon.connectionRegionRead(connection, 0, 254n, target), -22);
      assert.equal(addon.connectionRegionRead(0, 0, 0n, target), -9);
    }));

  it('cuts transfers into what the server takes at once', async () => {
    const capabilities = {
      maxMsgFds: 1,
      maxDataXferSize: 7,
      maxDmaMaps: 1,
      pageSizes: 4096,
      writeMultiple: false,
      twinSocket: false,
    };
    await withClient(
      'honest',
      async (client) => {
        const bytes = Uint8Array.from({ length: 100 }, (_, i) => i);
        assert.equal(await client.regionWrite(0, 0, bytes), 100);
        assert.deepEqual(await client.regionRead(0, 0, 100), bytes);
        const target = new Uint8Array(100);
        assert.equal(addon.connectionRegionRead(client.connection, 0, 0n, target), 100);
        assert.deepEqual(target, bytes);
      },
      { version: { capabilities } },
    );
  });

  it('serves many requests at once, each with its own answer', () =>
    withClient('honest', async (client) => {
      const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
      await client.regionWrite(0, 0, bytes);
      const reads = Array.from({ length: 256 }, (_, i) => client.regionRead(0, i, 1));
      const values = (await Promise.all(reads)).map((read) => read[0]);
      assert.deepEqual(values, [...bytes]);
    }));

  it('passes eventfds, in as many messages as the server and the gaps ask for', () =>
    withClient('honest', async (client) => {
      const eventfds = Array.from({ length: 4 }, () => addon.eventfdCreate());
      const [a = -1, b = -1, c = -1, d = -1] = eventfds;
      await client.setIrqs({ flags: 0x24, index: 2, start: 1, count: 6, eventfds: [a, b, c, -1, -1, d] });
      assert.deepEqual(
        eventfds.map((fd) => addon.eventfdRead(fd)),
        [2, 3, 4, 7],
      );
      for (const fd of eventfds) closeSync(fd);
      await assert.rejects(client.setIrqs({ flags: 0x24, index: 2, start: 0, count: 2, eventfds: [a] }), {
        code: 'ERR_INVALID_ARGUMENT',
      });
    }));

  it('refuses another version, and a twin socket that it did not offer', async () => {
    const before = openFds();
    for (const version of [{ major: 1 }, { minor: 1 }]) {
      const { socket, ended } = startServer('honest', version);
      await assert.rejects(VfioUserClient.connect(socket), {
        code: 'ERR_NOT_SUPPORTED',
        syscall: 'vfio-user(VERSION)',
      });
      await ended;
    }
    assert.equal(openFds(), before);
    await assert.rejects(VfioUserClient.connect('/nowhere/socket'), { code: 'ENOENT' });
  });

  describe('with a server that lies', () => {
    const read = (client: VfioUserClient) => {
      const target = new Uint8Array(4).fill(0xee);
      const result = addon.connectionRegionRead(client.connection, 0, 0n, target);
      return { result, target };
    };
    const ends: ScriptName[] = [
      'short header',
      'half a message',
      'size over the limit',
      'unknown type',
      'wrong id',
      'another command',
      'hangs up',
    ];
    for (const script of ends) {
      it(`ends the connection: ${script}`, () =>
        withClient(script, async (client) => {
          const { result, target } = read(client);
          assert.equal(result, -19);
          assert.deepEqual([...target], [0xee, 0xee, 0xee, 0xee]);
          assert.equal(client.alive, false);
          assert.ok(addon.eventfdWait(client.hangupEvent, 5000) > 0, 'no hang-up told');
          await assert.rejects(client.deviceInfo(), (error) => {
            assert.ok(error instanceof VfioError);
            assert.deepEqual([error.code, error.syscall], ['ENODEV', 'vfio-user(DEVICE_GET_INFO)']);
            return true;
          });
        }));
    }
    for (const script of ['no data', 'too much data', 'another offset'] as const) {
      it(`fails the access alone: ${script}`, () =>
        withClient(script, async (client) => {
          const { result, target } = read(client);
          assert.equal(result, -71);
          assert.deepEqual([...target], [0xee, 0xee, 0xee, 0xee]);
          await assert.rejects(client.regionRead(0, 0, 4), { code: 'ERR_PROTOCOL', syscall: 'vfio-user(REGION_READ)' });
          assert.equal((await client.deviceInfo()).numRegions, 9);
        }));
    }
    it('takes an errno that is none for EIO', () =>
      withClient('an errno of 2^31', (client) => {
        assert.equal(read(client).result, -5);
      }));
    it('closes descriptors that nobody asked for', () =>
      withClient('descriptors', (client) => {
        for (let i = 0; i < 50; i++) assert.equal(read(client).result, 4);
      }));
    it('gives up one access that is never answered, not the connection', () =>
      withClient(
        'never answers',
        async (client) => {
          assert.equal(read(client).result, -110);
          await assert.rejects(client.regionRead(0, 0, 4), { code: 'ETIMEDOUT' });
          assert.equal((await client.deviceInfo()).numRegions, 9);
        },
        { timeoutMs: 60 },
      ));
    it('drops an answer that comes too late, with its descriptors', () =>
      withClient(
        'answers late',
        async (client) => {
          assert.equal(read(client).result, -110);
          // The late reply has come when this one's does: the server answers in order.
          for (let tries = 0; ; tries++) {
            const info = await client.deviceInfo().catch((error: unknown) => {
              assert.ok(tries < 5 && error instanceof VfioError && error.code === 'ETIMEDOUT', String(error));
            });
            if (info !== undefined) break;
          }
          assert.equal(client.alive, true);
        },
        { timeoutMs: 100 },
      ));
  });

  it('fails what waits when it is closed, and joins its thread', async () => {
    const before = threads();
    const { socket, ended } = startServer('never answers');
    const client = await VfioUserClient.connect(socket);
    const reading = assert.rejects(client.regionRead(0, 0, 4), { code: 'ENODEV' });
    const during = threads();
    await client.close();
    await reading;
    await ended;
    assert.ok(threads() <= before || threads() < during);
    assert.equal(addon.connectionAlive(client.connection), false);
    await assert.rejects(client.close(), { code: 'EBADF' });
  });

  it('hears of a server that dies while nobody asks', () =>
    withClient('hangs up', async (client) => {
      await assert.rejects(client.regionRead(0, 0, 1), { code: 'ENODEV' });
      assert.equal(addon.eventfdWait(client.hangupEvent, 5000), 1);
    }));

  describe('DMA', () => {
    const page = 4096;
    let memory: SharedArrayBuffer;
    let bytes: Uint8Array;
    let domain: DomainHandle;
    beforeEach(() => {
      memory = addon.memoryAllocate(2 * page);
      bytes = new Uint8Array(memory);
      domain = addon.domainCreate();
    });
    afterEach(() => addon.domainClose(domain));
    const vaddr = (offset: number) => addon.bufferAddress(memory, offset);
    const map = (iova: number, offset: number, access: number) =>
      addon.domainMap(domain, BigInt(iova), vaddr(offset), BigInt(page), access);
    /** Has the device copy `count` bytes. @returns the count of the register write, or a negative errno */
    const copy = (client: VfioUserClient, from: bigint, to: bigint, count: number) => {
      const registers = new Uint8Array(20);
      const view = new DataView(registers.buffer);
      view.setBigUint64(0, from, true);
      view.setBigUint64(8, to, true);
      view.setUint32(16, count, true);
      return addon.connectionRegionWrite(client.connection, 0, 0n, registers);
    };

    it('is served while its client waits for the reply, over adjacent mappings', () =>
      withClient('dma', (client) => {
        client.setDomain(domain);
        map(0, 0, 1);
        map(page, page, 3);
        bytes.fill(7, page - 8, page + 8);
        assert.equal(copy(client, BigInt(page - 8), BigInt(page + 100), 16), 20);
        assert.deepEqual([...bytes.subarray(page + 99, page + 117)], [0, ...new Array<number>(16).fill(7), 0]);
        assert.deepEqual(addon.domainTakeFaults(domain), { count: 0, recent: [] });
      }));

    it('faults without a mapping, without the right, without a domain, and touches nothing', () =>
      withClient('dma', async (client) => {
        map(0, 0, 1);
        map(page, page, 2);
        bytes.fill(5, 0, page);
        assert.equal(copy(client, 0n, BigInt(page), 8), -14, 'no domain');
        client.setDomain(domain);
        assert.equal(copy(client, BigInt(page), 0n, 8), -14, 'reading what is for writing');
        assert.equal(copy(client, 0n, 8n, 8), -14, 'writing what is for reading');
        assert.equal(copy(client, 0n, BigInt(2 * page - 4), 8), -14, 'over the end');
        assert.equal(copy(client, (1n << 64n) - 4n, 0n, 8), -14, 'over 2^64');
        assert.ok(bytes.subarray(page).every((byte) => byte === 0));
        assert.deepEqual(addon.domainTakeFaults(domain), {
          count: 4,
          recent: [
            { iova: BigInt(page), size: 8n, write: false },
            { iova: 8n, size: 8n, write: true },
            { iova: BigInt(2 * page - 4), size: 8n, write: true },
            { iova: (1n << 64n) - 4n, size: 8n, write: false },
          ],
        });
        assert.equal(addon.eventfdRead(addon.domainFaultEvent(domain)), 4);
        assert.equal(copy(client, 0n, BigInt(page), 8), 20);
        await addon.domainUnmap(domain, BigInt(page), 8n);
        assert.equal(copy(client, 0n, BigInt(page), 8), -14, 'unmapped');
        assert.equal(copy(client, 0n, BigInt(page + 8), 8), 20, 'the rest of the mapping stays');
        client.setDomain(undefined);
        assert.equal(copy(client, 0n, BigInt(page + 8), 8), -14);
      }));

    it('records the pages that the device wrote', () =>
      withClient('dma', async (client) => {
        client.setDomain(domain);
        map(0, 0, 3);
        map(page, page, 3);
        addon.domainSetDirtyTracking(domain, BigInt(page));
        assert.equal(copy(client, 0n, BigInt(page), 8), 20);
        const take = (clear: boolean) => [...addon.domainTakeDirty(domain, 0n, BigInt(2 * page), BigInt(page), clear)];
        assert.deepEqual(take(false), [2]);
        await addon.domainUnmap(domain, 0n, BigInt(2 * page));
        assert.deepEqual(take(true), [2]);
        assert.deepEqual(take(true), [0]);
      }));

    it('refuses mappings that overlap or wrap', () => {
      map(0, 0, 3);
      assert.throws(() => map(page - 1, 0, 3), { code: 'EEXIST' });
      assert.throws(() => addon.domainMap(domain, (1n << 64n) - 1n, vaddr(0), 2n, 3), { code: 'EINVAL' });
      assert.throws(() => addon.domainMap(domain, 1n << 64n, vaddr(0), 2n, 3), RangeError);
      assert.throws(() => addon.domainMap(domain, BigInt(2 * page), vaddr(0), 0n, 3), { code: 'EINVAL' });
    });

    it('makes a mapping whose memory is gone a fault and no crash', () =>
      withClient('dma', (client) => {
        client.setDomain(domain);
        map(0, 0, 3);
        // Nothing is ever mapped at these addresses: the first page, and those above user space.
        addon.domainMap(domain, BigInt(page), 0n, BigInt(page), 3);
        addon.domainMap(domain, BigInt(2 * page), 1n << 60n, BigInt(page), 3);
        bytes.fill(5, 0, page);
        for (const to of [BigInt(page), BigInt(2 * page), BigInt(page - 4)]) {
          assert.equal(copy(client, 0n, to, 8), -14);
          assert.equal(copy(client, to, 0n, 8), -14);
        }
        assert.ok(bytes.subarray(0, page).every((byte) => byte === 5));
        assert.equal(addon.domainTakeFaults(domain).count, 6);
      }));
  });
});
