import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect as connectNet } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { VfioError } from '../../lib/base/errors.js';
import { serveModel } from '../../lib/models/hosting/serve-model.js';
import { startModel, type HostedModel } from '../../lib/models/hosting/start-model.js';
import { REG } from '../../lib/models/testdev/layout.js';
import { addon } from '../../lib/native/addon.js';
import { VfioUserClient } from '../../lib/vfio-user/client/vfio-user-client.js';
import * as wire from '../../lib/vfio-user/protocol/protocol.js';
import { EDU_REG } from '../../lib/models/edu/registers.js';
import { eventually, memfdMappings, openFds, threads } from '../support/open-fds.js';
import { bytes64, RawClient } from '../support/raw-client.js';
import { decodeDmaRead } from '../support/peer-codec.js';

const STORM = new URL('../support/storm-model.js', import.meta.url);
const ISOLATIONS = ['thread', 'process'] as const;

function connect(model: HostedModel): RawClient {
  const client = new RawClient(model.socket);
  client.version();
  client.command(7);
  return client;
}

/** Makes a model hold resources of every kind. */
function burden(client: RawClient): void {
  const event = addon.eventfdCreate();
  const memory = addon.memfdCreate('burden', 0x4000n, 0);
  client.expect(wire.VFIO_USER_DEVICE_SET_IRQS, wire.encodeIrqSet({ flags: 0x24, index: 4, start: 0, count: 1 }), [
    event,
  ]);
  const map = { flags: 3, fdOffset: 0n, iova: 0n, size: 0x4000n };
  client.expect(wire.VFIO_USER_DMA_MAP, wire.encodeDmaMap(map), [memory]);
  client.request(wire.VFIO_USER_DMA_MAP, wire.encodeDmaMap(map), [memory, event, memory]);
  client.request(999, undefined, [event]);
  addon.closeFdSync(event);
  addon.closeFdSync(memory);
}

describe('hosting models', () => {
  let fds: number;
  let tasks: number;
  let mappings: number;

  // The first worker, the first child and the first revoked mapping make descriptors that stay.
  before(async () => {
    for (const isolation of ISOLATIONS) {
      const model = await startModel({ model: 'testdev' }, { isolation });
      addon.closeFdSync(model.socket);
      await model.stop();
    }
    fds = openFds();
    tasks = threads();
    mappings = memfdMappings();
  });

  afterEach(async () => {
    await eventually(() => openFds() <= fds, 'every descriptor closed');
    await eventually(() => threads() <= tasks, 'every thread gone');
    await eventually(() => memfdMappings() <= mappings, 'every mapping gone');
  });

  for (const isolation of ISOLATIONS) {
    describe(`in a ${isolation}`, () => {
      it('starts, serves and stops, and leaves nothing open', async () => {
        for (let i = 0; i < 3; i += 1) {
          const model = await startModel({ model: 'testdev' }, { isolation });
          const client = connect(model);
          burden(client);
          assert.equal(client.read32(2, REG.IDENT), 0x5453_4554);
          await model.stop();
          assert.equal(client.receive(), undefined);
          client.close();
          await model.stop();
        }
      });

      it('ends when its client leaves, and reports it', async () => {
        const model = await startModel({ model: 'testdev' }, { isolation });
        const ended = new Promise<VfioError | undefined>((resolve) => model.onExit(resolve));
        const client = connect(model);
        burden(client);
        client.close();
        assert.equal(await ended, undefined);
        assert.equal(await new Promise((resolve) => model.onExit(resolve)), undefined, 'also to a later listener');
      });

      it('passes the options to the model', async () => {
        const options = { dmaMask: (1n << 40n) - 1n, dmaDelayMs: 0 };
        const model = await startModel({ model: 'edu', options }, { isolation });
        const client = connect(model);
        client.mapMessages(0xff_0000_0000n, 0x1000n);
        client.write64(0, EDU_REG.DMA_SOURCE, 0xff_0000_0000n);
        client.write64(0, EDU_REG.DMA_TARGET, 0x40000n);
        client.write64(0, EDU_REG.DMA_COUNT, 1n);
        client.write64(0, EDU_REG.DMA_COMMAND, 1n);
        const ask = client.receive();
        assert.equal(decodeDmaRead(ask?.payload ?? new Uint8Array()).iova, 0xff_0000_0000n);
        client.close();
        await model.stop();
      });

      it('closes the socket when the model dies inside a request', async () => {
        const model = await startModel({ model: STORM }, { isolation });
        const client = connect(model);
        const ended = new Promise<VfioError | undefined>((resolve) => model.onExit(resolve));
        client.send(
          wire.VFIO_USER_REGION_WRITE,
          wire.encodeRegionAccess({ regionIndex: 0, regionOffset: 8, count: 8 }, bytes64(0n)),
        );
        const error = await ended;
        assert.ok(error instanceof VfioError);
        assert.equal(client.receive(), undefined);
        client.close();
      });

      it('ends a model that never returns, by force', async () => {
        const model = await startModel({ model: STORM }, { isolation });
        const client = connect(model);
        burden(client);
        client.send(
          wire.VFIO_USER_REGION_WRITE,
          wire.encodeRegionAccess({ regionIndex: 0, regionOffset: 16, count: 8 }, bytes64(0n)),
        );
        await model.stop();
        client.close();
      });

      it('reports why a model does not start', async () => {
        const starts: [spec: Parameters<typeof startModel>[0], message: RegExp][] = [
          [{ model: STORM, options: { throwAtStart: true } }, /storm does not start/],
          [{ model: new URL('./nowhere.js', import.meta.url) }, /nowhere/],
          [{ model: new URL('../support/open-fds.js', import.meta.url) }, /no PciModel/],
        ];
        for (const [spec, message] of starts) await assert.rejects(startModel(spec, { isolation }), message);
      });

      it('rejects options that cannot be cloned', async () => {
        await assert.rejects(startModel({ model: 'edu', options: () => 1 }, { isolation }), {
          code: 'ERR_INVALID_ARGUMENT',
          message: /^`options` must be cloneable\. .* could not be cloned/,
        });
      });
    });
  }

  it('performs a thousand DMA reads inside a thousand writes', async () => {
    const model = await startModel({ model: STORM });
    const client = connect(model);
    client.mapMessages(0n, 0x1000n);
    const writes = 1000;
    for (let i = 0; i < writes; i += 1) {
      const access = { regionIndex: 0, regionOffset: 0, count: 8 };
      client.send(wire.VFIO_USER_REGION_WRITE, wire.encodeRegionAccess(access, bytes64(BigInt(i))));
    }
    let asked = 0;
    for (let replies = 0; asked < writes || replies < writes;) {
      const message = client.receive();
      assert.ok(message, 'the server stays');
      if (message.header.type === 'reply') {
        assert.equal(message.header.errno, undefined);
        replies += 1;
        continue;
      }
      const { iova } = decodeDmaRead(message.payload);
      assert.equal(iova, BigInt(asked), 'in the order of the writes');
      asked += 1;
      const header = { id: message.header.id, command: message.header.command, type: 'reply' } as const;
      client.sendRaw(wire.encodeMessage(header, wire.encodeDmaAccess({ iova, count: 1 }, Uint8Array.of(1))));
    }
    await eventually(() => client.read32(0, 0) === writes, 'all of them done');
    client.close();
    await model.stop();
  });

  it('lets its process exit while a model runs', async () => {
    const host = JSON.stringify(new URL('../../lib/models/hosting/start-model.js', import.meta.url).href);
    for (const isolation of ISOLATIONS) {
      for (const end of ['', 'process.exit(0);']) {
        const code = `const { startModel } = await import(${host});
          await startModel({ model: 'edu' }, { isolation: '${isolation}' });
          console.log('started'); ${end}`;
        const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', code], {
          timeout: 8000,
        });
        assert.equal(stdout, 'started\n');
      }
    }
  });

  describe('for foreign clients', () => {
    let folder: string;

    beforeEach(() => {
      folder = mkdtempSync(join(tmpdir(), 'vfio-engine-'));
    });

    afterEach(() => rmSync(folder, { recursive: true }));

    it('serves clients one after the other; keeps the device’s state and releases the client’s resources', async () => {
      const path = join(folder, 'testdev.sock');
      const served = await serveModel({ model: 'testdev' }, { path });
      assert.equal(served.description.name, 'testdev');
      const idle = openFds();
      for (let i = 0; i < 3; i += 1) {
        const client = new RawClient(await addon.unixConnect(path));
        client.version();
        client.command(7);
        assert.equal(client.read32(2, REG.SCRATCH), i);
        client.write32(2, REG.SCRATCH, i + 1);
        burden(client);
        client.close();
        await eventually(() => openFds() === idle, 'all of the client’s descriptors closed');
      }
      await served.stop();
    });

    it('answers other clients with EBUSY while a client is connected, and keeps serving that one', async () => {
      const path = join(folder, 'testdev.sock');
      const served = await serveModel({ model: 'testdev' }, { path });
      const first = new RawClient(await addon.unixConnect(path));
      first.version();
      first.command(7);
      let idle = 0;
      for (let round = 0; round < 3; round += 1) {
        const others = [1, 2, 3].map(() => VfioUserClient.connect(path, { timeoutMs: 3000 }));
        for (const other of await Promise.allSettled(others)) {
          assert.ok(other.status === 'rejected' && other.reason instanceof VfioError);
          assert.deepEqual([other.reason.code, other.reason.syscall], ['EBUSY', 'vfio-user(VERSION)']);
        }
        const silent = [Uint8Array.of(), Uint8Array.of(1), new Uint8Array(20)].map((sent) => {
          const other = connectNet(path).on('error', () => undefined);
          if (sent.length > 0) other.write(sent);
          return new Promise((resolve) => other.once('close', resolve));
        });
        await Promise.all(silent);
        // The event loops of the two threads open a file each for the first socket, which stays.
        if (round === 0) idle = openFds();
        else await eventually(() => openFds() <= idle, 'nothing left of the others');
      }
      assert.equal(first.read32(2, REG.IDENT), 0x5453_4554);
      first.close();
      const next = await VfioUserClient.connect(path);
      assert.equal((await next.deviceInfo()).numRegions, 9);
      await next.close();
      await served.stop();
    });

    it('stops without an error while no client is connected', async () => {
      const served = await serveModel({ model: 'edu' }, { path: join(folder, 'edu.sock') });
      const ended = new Promise((resolve) => served.onExit(resolve));
      await served.stop();
      assert.equal(await ended, undefined);
    });

    it('stops by its signal while a client is connected', async () => {
      const path = join(folder, 'edu.sock');
      const abort = new AbortController();
      const served = await serveModel({ model: 'edu' }, { path, signal: abort.signal });
      const ended = new Promise((resolve) => served.onExit(resolve));
      const client = new RawClient(await addon.unixConnect(path));
      client.version();
      abort.abort();
      assert.equal(await ended, undefined);
      assert.equal(client.receive(), undefined);
      client.close();
    });

    it('rejects a path that is too long and an aborted signal', async () => {
      const path = join(folder, 'x'.repeat(200));
      await assert.rejects(serveModel({ model: 'edu' }, { path }), { code: 'ENAMETOOLONG' });
      const signal = AbortSignal.abort();
      await assert.rejects(serveModel({ model: 'edu' }, { path: join(folder, 'y'), signal }), { code: 'ERR_ABORTED' });
    });
  });
});
