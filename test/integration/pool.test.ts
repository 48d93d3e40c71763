import assert from 'node:assert/strict';

import { VfioError } from '../../lib/base/errors.js';
import { AsyncLane } from '../../lib/lane/async-lane.js';
import { SyncLane } from '../../lib/lane/sync-lane.js';
import { Op } from '../../lib/layout/slot.js';
import { addon } from '../../lib/native/addon.js';
import type { DriverTask } from '../../lib/pool/driver-task.js';
import { WorkerPool } from '../../lib/pool/pool.js';
import { memoryRegion } from '../support/memory-region.js';
import { assertNothingLeft, quietResources } from '../support/resources.js';
import { killWorkers } from '../support/kill-workers.js';

describe('a worker pool', function () {
  this.timeout(30_000);

  it('leaves no resources after it was closed', async () => {
    const useOnce = async (): Promise<WorkerPool> => {
      const pool = await WorkerPool.start({ workers: 2, drivers: 1 });
      const memory = await memoryRegion(pool.lane());
      await memory.region.write32(0, 1);
      await memory.close();
      await pool.close();
      return pool;
    };
    // The first thread and the first mapping make descriptors that stay.
    await useOnce();
    const before = await quietResources();
    const pool = await useOnce();
    await assertNothingLeft(before, 'the pool');
    assert.throws(() => pool.lane(), { code: 'ERR_CLOSED' });
  });

  it('returns an unused lane while there is one', async () => {
    const pool = await WorkerPool.start({ workers: 1 });
    const kept = pool.lane();
    for (let round = 0; round < 40; round++) {
      const lane = pool.lane();
      assert.notEqual(lane, kept);
      pool.giveLane(lane);
    }
    const all = new Set([kept, ...Array.from({ length: 15 }, () => pool.lane())]);
    assert.equal(all.size, 16);
    assert.ok(all.has(pool.lane()));
    const [first] = all;
    assert.ok(first !== undefined);
    for (let users = 0; users < 2; users++) pool.giveLane(first);
    assert.equal(pool.lane(), first);
    await pool.close();
  });

  it('adapts how long its workers look for work', async () => {
    const most = 20_000;
    const pool = await WorkerPool.start({ workers: 1, spinMicroseconds: most });
    const memory = await memoryRegion(pool.lane());
    const until = async (holds: () => boolean, meanwhile: () => unknown): Promise<void> => {
      for (const end = Date.now() + 20_000; !holds();) {
        assert.ok(Date.now() < end, `it looks for ${pool.lookingMicroseconds.join()} us`);
        await meanwhile();
      }
    };
    const looking = (): number => pool.lookingMicroseconds[0] ?? NaN;
    try {
      const work = (): Promise<number> => memory.region.read32(0);
      await until(() => looking() > 0, work);
      // Nothing to do: half as long each time, and then not at all.
      await until(
        () => looking() === 0,
        () => new Promise((resolve) => setTimeout(resolve, 5)),
      );
      // Work that comes while it has hardly slept: longer again, until it no longer sleeps in between.
      await until(() => looking() > 0, work);
    } finally {
      await memory.close();
      await pool.close();
    }
  });

  it('rejects wrong options', async () => {
    for (const options of [{ workers: 0 }, { workers: 1.5 }, { spinMicroseconds: -1 }, { laneCapacity: 100_000 }]) {
      await assert.rejects(WorkerPool.start(options), { code: 'ERR_INVALID_ARGUMENT' });
    }
    await assert.rejects(WorkerPool.start({ laneCapacity: 100 }), { code: 'ERR_INVALID_ARGUMENT' });
  });

  describe('with two workers', () => {
    let pool: WorkerPool;
    beforeEach(async () => {
      pool = await WorkerPool.start({ workers: 2, laneCapacity: 64 });
    });
    afterEach(() => pool.close());

    it('replaces a thread that dies: each operation is answered once, and one that had begun does not run again', async () => {
      const memory = [await memoryRegion(pool.lane()), await memoryRegion(pool.lane())];
      const answers: string[] = [];
      const polls = memory.map(({ region }) =>
        region.pollUntil(0, { width: 4, mask: 1, value: 1 }, { timeoutMs: 20_000 }),
      );
      const after = memory.map(({ region }, index) => region.write32(4, index + 1));
      for (const promise of [...polls, ...after]) {
        promise.then(
          () => answers.push('value'),
          (error: VfioError) => answers.push(error.code),
        );
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
      await killWorkers(pool);
      await Promise.allSettled([...polls, ...after]);
      // The polls had been begun; what waited behind them is run by the workers that took over.
      assert.deepEqual(answers.sort(), ['ERR_WORKER_DIED', 'ERR_WORKER_DIED', 'value', 'value']);
      assert.equal(pool.replacedWorkers, 2);
      for (const [index, one] of memory.entries()) {
        assert.equal(await one.region.read32(4), index + 1);
        await one.close();
      }
    });

    it("keeps operations of many times a lane's capacity in order", async () => {
      const memory = await memoryRegion(pool.lane());
      const { region } = memory;
      for (let round = 0; round < 40; round++) {
        const writes = Array.from({ length: 2000 }, (_, value) => region.write32(8, value));
        assert.equal((await Promise.all([...writes, region.read32(8)])).at(-1), 1999);
      }
      await memory.close();
    });

    it('cancels operations under way, and operations that wait for a free slot', async () => {
      const lane = pool.lane();
      const memory = await memoryRegion(lane);
      const region = lane.addRegion(memory.region.descriptor.handle);
      const poll = { op: Op.poll, width: 4, region, offset: 0, mask: 1, value: 1 };
      const deadline = Number(process.hrtime.bigint() / 1000n) + 10_000_000;
      const statuses: number[] = [];
      const settle = (status: number): void => void statuses.push(status);
      const submitted = Array.from({ length: 70 }, () => lane.submit({ ...poll, deadline }, settle));
      assert.equal(lane.pending, 70);
      for (const operation of submitted) operation.cancel();
      while (lane.pending > 0) await new Promise((resolve) => setTimeout(resolve, 1));
      assert.deepEqual(statuses, new Array(70).fill(-125));
      await memory.close();
    });

    it('serves a synchronous producer', async () => {
      const memory = await memoryRegion(pool.lane());
      const descriptor = pool.createLane();
      const lane = new SyncLane(descriptor);
      const region = pool.addRegion(descriptor, memory.region);
      for (let value = 0; value < 1000; value++) {
        lane.run({ op: Op.write, width: 4, region, offset: 16, value });
        const position = lane.run({ op: Op.read, width: 4, region, offset: 16 });
        assert.equal(lane.slots.status(position), 0);
        assert.equal(lane.slots.value32(position), value);
      }
      const stale = lane.run({ op: Op.read, width: 4, region: 12345, offset: 0 });
      assert.equal(lane.slots.status(stale), -13);
      await pool.closeLane(descriptor);
      await memory.close();
    });

    it('runs a driver function, and returns and throws what the function does', async () => {
      const memory = await memoryRegion(pool.lane());
      const run = (name: string, args: unknown, signal?: AbortSignal): Promise<unknown> => {
        const module = new URL(`./drivers/${name}.js`, import.meta.url).href;
        const task: DriverTask = { module, regions: [memory.region.descriptor], buffers: {}, args };
        return pool.runDriver(task, signal);
      };
      for (let word = 0; word < 4; word++) await memory.region.write32(word * 4, word + 1);
      assert.equal(await run('sum', { words: 4 }), 10);
      assert.equal(await memory.region.read32(16), 10);
      await rejects(run('fails', { how: 'access' }), 'ERR_OUT_OF_RANGE');
      await rejects(run('fails', { how: 'region' }), 'ERR_INVALID_ARGUMENT');
      await rejects(run('fails', { how: 'exit' }), 'ERR_WORKER_DIED');
      await assert.rejects(run('fails', { how: 'throw' }), /of the driver/);
      const stop = new AbortController();
      setTimeout(() => stop.abort(), 200);
      await rejects(run('fails', { how: 'never' }, stop.signal), 'ERR_ABORTED');
      assert.equal(await run('sum', { words: 4 }), 10);
      assert.equal(pool.replacedWorkers, 0);
      await memory.close();
    });
  });

  it('answers a hostile producer with errors, on its own lane alone', async () => {
    const pool = await WorkerPool.start({ workers: 1 });
    const memory = await memoryRegion(pool.lane(), { size: 8192 });
    const { fd } = memory;
    const worker = addon.workerCreate();
    addon.workerClose(worker);
    const descriptor = pool.createLane();
    const shared = addon.laneView(descriptor.lane);
    const region = pool.addRegion(descriptor, memory.region);
    const bytes = new Uint8Array(shared);
    const words = new Int32Array(shared);
    for (let round = 0; round < 2000; round++) {
      // Indices that jump, slots of noise: some name the right region, at offsets up to 2^64.
      for (let at = 256; at < 256 + 64 * 32; at++) bytes[at] = (Math.imul(at + 1, round + 7) >>> 5) & 0xff;
      for (let slot = 0; slot < 32; slot += 2) {
        words[(256 + slot * 64 + 4) >> 2] = region;
        bytes[256 + slot * 64] = 1 + ((round + slot) % 8);
        bytes[256 + slot * 64 + 1] = [1, 2, 4, 8][round % 4] as number;
        // Never the first page, which the good lane uses: what lands there would come from outside of the slot's offset.
        words[(256 + slot * 64 + 8) >> 2] = round % 3 === 0 ? 4096 + 8 * (round % 500) : -8 * (round + 1);
        words[(256 + slot * 64 + 12) >> 2] = round % 3 === 0 ? 0 : -1;
      }
      Atomics.store(words, 64 >> 2, Math.imul(round, 0x9e3779b1));
      addon.workerWake(descriptor.worker);
      await memory.region.write32(0, round);
      assert.equal(await memory.region.read32(0), round);
      const first = memory.region.accessor;
      for (const offset of [4, 8, 2048, 4092]) assert.equal(first.read32(offset), 0, `canary at ${offset}`);
    }
    assert.ok(addon.isOpenFd(fd));
    await pool.closeLane(descriptor);
    await memory.close();
    await pool.close();
  });

  it('answers all operations of a lane that closes', async () => {
    const pool = await WorkerPool.start({ workers: 1 });
    const memory = await memoryRegion(pool.lane());
    const lane = new AsyncLane(pool.createLane().worker, 4);
    const region = lane.addRegion(memory.region.descriptor.handle);
    const poll = { op: Op.poll, width: 4, region, offset: 0, mask: 1, value: 1 };
    const deadline = Number(process.hrtime.bigint() / 1000n) + 20_000_000;
    const statuses: number[] = [];
    for (let i = 0; i < 9; i++) lane.submit({ ...poll, deadline }, (status) => statuses.push(status));
    await lane.close(5000);
    assert.deepEqual(statuses, new Array(9).fill(-125));
    await memory.close();
    await pool.close();
  });
});

async function rejects(promise: Promise<unknown>, code: string): Promise<void> {
  await assert.rejects(promise, (error: unknown) => {
    assert.ok(error instanceof VfioError, String(error));
    assert.equal(error.code, code);
    return true;
  });
}
