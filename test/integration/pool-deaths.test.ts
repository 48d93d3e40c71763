import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';

import type { VfioError } from '../../lib/base/errors.js';
import { SyncLane } from '../../lib/lane/sync-lane.js';
import { Op } from '../../lib/layout/slot.js';
import { addon } from '../../lib/native/addon.js';
import { WorkerPool } from '../../lib/pool/pool.js';
import { memoryRegion } from '../support/memory-region.js';
import { killWorkers } from '../support/kill-workers.js';
import { assertNothingLeft, quietResources } from '../support/resources.js';

/** How long an immediate answer may take on a busy machine, milliseconds. */
const AT_ONCE = 1000;

describe('an I/O worker whose threads die again and again', function () {
  this.timeout(30_000);

  it('is given up: pending and later operations are answered at once, and its pool closes', async () => {
    // The first thread and the first mapping make descriptors that stay.
    const first = await WorkerPool.start({ workers: 1 });
    await (await memoryRegion(first.lane())).close();
    await first.close();
    const before = await quietResources();
    const pool = await WorkerPool.start({ workers: 1 });
    const memory = await memoryRegion(pool.lane());
    const descriptor = pool.createLane();
    const region = pool.addRegion(descriptor, memory.region);
    const sync = new SyncLane(descriptor, { timeoutMs: AT_ONCE });
    const waiting = endless(memory.region.descriptor.handle, pool);
    await killUntilGivenUp(pool);
    assert.deepEqual(await within(waiting), [-130, -130]);
    await assert.rejects(within(memory.region.read32(0)), { code: 'ERR_WORKER_DIED' });
    await assert.rejects(within(memory.region.batch([{ read: 0, width: 4 }])), { code: 'ERR_WORKER_DIED' });
    const position = sync.run({ op: Op.read, width: 4, region, offset: 0 });
    assert.equal(sync.slots.status(position), -130);
    assert.throws(
      () => pool.lane(),
      (error: VfioError) => error.code === 'ERR_WORKER_DIED' && error.cause !== undefined,
    );
    await memory.close();
    await within(pool.close());
    await assertNothingLeft(before, 'the pool');
  });

  it('lets its pool close during the pause between two threads', async () => {
    const pool = await WorkerPool.start({ workers: 1 });
    for (let death = 0; death < 2; death++) {
      while (pool.threads.length === 0) await new Promise((resolve) => setTimeout(resolve, 1));
      await killWorkers(pool);
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
    await within(pool.close());
    assert.throws(() => pool.lane(), { code: 'ERR_CLOSED' });
  });

  it('closes the native worker even if closing a lane fails', async () => {
    const pool = await WorkerPool.start({ workers: 1 });
    const { worker, lane } = pool.createLane();
    // The lane is closed already, so closing it again fails.
    addon.laneClose(lane);
    await assert.rejects(pool.close(), { code: 'EBADF' });
    assert.throws(() => addon.workerView(worker), { code: 'EBADF' });
  });
});

/** Two operations on a lane of their own: one that is begun and one behind it. */
function endless(handle: number, pool: WorkerPool): Promise<number[]> {
  const lane = pool.lane();
  const region = lane.addRegion(handle);
  const deadline = Number(process.hrtime.bigint() / 1000n) + 60_000_000;
  const poll = { op: Op.poll, width: 4, region, offset: 0, mask: 1, value: 1, deadline };
  const submit = (): Promise<number> => new Promise((resolve) => lane.submit(poll, resolve));
  return Promise.all([submit(), submit()]);
}

async function killUntilGivenUp(pool: WorkerPool): Promise<void> {
  let givenUp = false;
  const listen = (message: unknown): void => {
    givenUp ||= (message as { message: string }).message.includes('given up');
  };
  subscribe('vfio-engine:warning', listen);
  for (const end = Date.now() + 10_000; !givenUp;) {
    assert.ok(Date.now() < end, 'the worker is replaced for ever');
    await killWorkers(pool);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  unsubscribe('vfio-engine:warning', listen);
}

/** Awaits a promise for at most `AT_ONCE`. */
async function within<T>(promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('no answer in time')), AT_ONCE);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
