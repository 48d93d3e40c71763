import assert from 'node:assert/strict';
import { closeSync, readdirSync } from 'node:fs';

import { VfioError } from '../../../lib/base/errors.js';
import { addon } from '../../../lib/native/addon.js';
import { VfioUserClient } from '../../../lib/vfio-user/client/vfio-user-client.js';
import { openFds, withClient } from '../../support/vfio-user-client.js';
import { type ScriptName, startServer } from '../../support/vfio-user-server.js';

const threads = () => readdirSync('/proc/self/task').length;

describe('vfio-user client', () => {
  // The first worker opens descriptors that its process keeps.
  before(() => withClient('honest', () => undefined).catch(() => undefined));

  it('sends every command to a correct server', () =>
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

  it('splits transfers by the server’s max_data_xfer_size', async () => {
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

  it('matches many outstanding requests with their replies', () =>
    withClient('honest', async (client) => {
      const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
      await client.regionWrite(0, 0, bytes);
      const reads = Array.from({ length: 256 }, (_, i) => client.regionRead(0, i, 1));
      const values = (await Promise.all(reads)).map((read) => read[0]);
      assert.deepEqual(values, [...bytes]);
    }));

  it('sends eventfds in several messages, by the server’s limit and the gaps in the list', () =>
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

  it('rejects another version, and a twin socket that it did not offer', async () => {
    const before = openFds();
    for (const version of [{ major: 1 }, { minor: 1 }]) {
      const { socket, ended } = await startServer('honest', version);
      await assert.rejects(VfioUserClient.connect(socket), {
        code: 'ERR_NOT_SUPPORTED',
        syscall: 'vfio-user(VERSION)',
      });
      await ended;
    }
    assert.equal(openFds(), before);
    await assert.rejects(VfioUserClient.connect('/nowhere/socket'), { code: 'ENOENT' });
  });

  describe('with a server that violates the protocol', () => {
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
    it('reports an unknown errno as EIO', () =>
      withClient('an errno of 2^31', (client) => {
        assert.equal(read(client).result, -5);
      }));
    it('reports an error reply with a payload, and keeps the connection', () =>
      withClient('an error with a payload', async (client) => {
        const { result, target } = read(client);
        assert.equal(result, -22);
        assert.deepEqual([...target], [0xee, 0xee, 0xee, 0xee]);
        await assert.rejects(client.regionRead(0, 0, 4), { code: 'EINVAL', syscall: 'vfio-user(REGION_READ)' });
        assert.equal((await client.deviceInfo()).numRegions, 9);
        assert.equal(client.alive, true);
      }));
    it('closes unexpected descriptors', () =>
      withClient('descriptors', (client) => {
        for (let i = 0; i < 50; i++) assert.equal(read(client).result, 4);
      }));
    it('fails an access that is never answered, and keeps the connection', () =>
      withClient(
        'never answers',
        async (client) => {
          assert.equal(read(client).result, -110);
          await assert.rejects(client.regionRead(0, 0, 4), { code: 'ETIMEDOUT' });
          assert.equal((await client.deviceInfo()).numRegions, 9);
        },
        { timeoutMs: 300 },
      ));
    it('drops a late reply and closes its descriptors', () =>
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
        { timeoutMs: 300 },
      ));
  });

  it('ends the connection if the server stops reading in the middle of a message', () =>
    withClient(
      'stops reading',
      async (client) => {
        await client.reset();
        assert.equal(addon.connectionRegionWrite(client.connection, 0, 0n, new Uint8Array(1 << 20)), -19);
        assert.equal(client.alive, false);
      },
      { timeoutMs: 300 },
    ));

  it('fails waiting commands when it is closed, and joins its thread', async () => {
    const before = threads();
    const { socket, ended } = await startServer('never answers');
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

  it('detects that the server died while no command waits', () =>
    withClient('hangs up', async (client) => {
      await assert.rejects(client.regionRead(0, 0, 1), { code: 'ENODEV' });
      assert.equal(addon.eventfdWait(client.hangupEvent, 5000), 1);
    }));
});
