import assert from 'node:assert/strict';

import { VfioError } from '../../lib/base/errors.js';
import type { AsyncLane } from '../../lib/lane/async-lane.js';
import { SyncLane } from '../../lib/lane/sync-lane.js';
import { type Operation, Op, SlotView } from '../../lib/layout/slot.js';
import { WorkerPool } from '../../lib/pool/pool.js';
import { Program } from '../../lib/region/program.js';
import { killWorkers } from '../support/kill-workers.js';
import { type MemoryRegion, memoryRegion, TRAPPED } from '../support/memory-region.js';
import { allocateShared } from '../support/allocate-shared.js';

const ECANCELED = -125;

describe('a program on a worker', () => {
  let pool: WorkerPool;
  let lane: AsyncLane;
  let memory: MemoryRegion;
  before(async () => {
    pool = await WorkerPool.start({ workers: 1 });
  });
  after(() => pool.close());
  beforeEach(async () => {
    lane = pool.lane();
    memory = await memoryRegion(lane);
  });
  afterEach(() => memory.close());

  for (const flags of [7, TRAPPED]) {
    it(`runs more steps than a worker runs in one turn, in order (region flags ${flags})`, async () => {
      const flagged = await memoryRegion(lane, { flags });
      const { region } = flagged;
      const program = new Program(region, 300);
      for (let i = 0; i < 150; i++) {
        program.write32(0, i);
        program.read32(0);
      }
      for (let round = 0; round < 3; round++) {
        await region.run(program);
        for (let i = 0; i < 150; i++) assert.equal(program.value(2 * i + 1), i);
      }
      await flagged.close();
    });
  }

  it('runs after the operations before it and before those after it', async () => {
    const { region } = memory;
    const program = new Program(region);
    const step = program.read32(0);
    program.write32(0, 2);
    const [, , after] = await Promise.all([region.write32(0, 1), region.run(program), region.read32(0)]);
    assert.deepEqual([program.value(step), after], [1, 2]);
  });

  it('polls without delaying another lane, and cannot run a second time meanwhile', async () => {
    const { region } = memory;
    const descriptor = pool.createLane();
    const other = new SyncLane(descriptor);
    const number = pool.addRegion(descriptor, region);
    const program = new Program(region);
    program.write32(0, 1);
    program.pollUntil(4, { width: 4, mask: 1, value: 1 }, 10_000);
    program.write32(8, 9);
    const run = region.run(program);
    assert.equal(other.slots.status(other.read(number, 4, 4)), 0);
    assert.throws(() => program.run(), { code: 'EBUSY' });
    await assert.rejects(region.run(program), { code: 'EBUSY' });
    region.accessor.write32(4, 1);
    await run;
    assert.equal(region.accessor.read32(8), 9);
    program.run();
    await pool.closeLane(descriptor);
  });

  it('stops at the step that fails, and names it in the error', async () => {
    const { region } = memory;
    const program = new Program(region);
    program.write32(0, 1);
    program.read32(0x10002);
    program.write32(0, 2);
    await rejectsWith(region.run(program), 'ERR_OUT_OF_RANGE', /0x10002/);
    assert.deepEqual([program.status(0), program.status(1), program.status(2)], [0, -22, ECANCELED]);
    assert.equal(region.accessor.read32(0), 1);
    program.clear().pollUntil(0, { width: 4, mask: 1, value: 0 }, 20);
    await rejectsWith(region.run(program), 'ERR_TIMEOUT', /polling/);
  });

  it('stops at its current step when its signal aborts it', async () => {
    const { region } = memory;
    const program = new Program(region);
    program.write32(0, 1);
    program.pollUntil(4, { width: 4, mask: 1, value: 1 }, 10_000);
    program.write32(0, 2);
    const stop = new AbortController();
    const run = region.run(program, { signal: stop.signal });
    setTimeout(() => stop.abort(), 20);
    await rejectsWith(run, 'ERR_ABORTED', /at 0x4/);
    assert.deepEqual([program.status(0), program.status(2)], [0, ECANCELED]);
    assert.equal(region.accessor.read32(0), 1);
    await rejectsWith(region.run(program, { signal: AbortSignal.abort() }), 'ERR_ABORTED', /at 0x0/);
  });

  it('tells that it was aborted at a barrier', async () => {
    const program = new Program(memory.region);
    program.barrier();
    const run = memory.region.run(program, { signal: AbortSignal.abort() });
    await rejectsWith(run, 'ERR_ABORTED', /^a barrier at region 0 of memory at 0x0: the operation was cancelled$/);
  });

  it('does not run again if its worker dies', async () => {
    const { region } = memory;
    const program = new Program(region);
    const before = program.modify32(0, 0xff, 1);
    program.pollUntil(4, { width: 4, mask: 1, value: 1 }, 10_000);
    program.write32(0, 3);
    const run = rejectsWith(region.run(program), 'ERR_WORKER_DIED', /at 0x4/);
    await new Promise((resolve) => setTimeout(resolve, 50));
    await killWorkers(pool);
    await run;
    assert.deepEqual([program.status(0), program.value(before), program.status(2)], [0, 0, ECANCELED]);
    region.accessor.write32(4, 1);
    assert.equal(await region.read32(0), 1);
    await region.run(program);
    assert.equal(await region.read32(0), 3);
  });

  it('accesses nothing outside of its buffer, and does not run a program inside of a program', async () => {
    const slots = allocateShared(4096);
    const buffer = lane.numberOf(slots);
    const program = (length: number, bufferOffset = 0, value = 0, handle = buffer): Promise<number> =>
      statusOf(lane, { op: Op.program, buffer: handle, bufferOffset, length, value });
    assert.equal(await program(4096 + 64), -34);
    assert.equal(await program(64, 2 ** 52), -34);
    assert.equal(await program(64, 4), -22);
    assert.equal(await program(63), -22);
    assert.equal(await program(64, 0, 2), -22);
    assert.equal(await program(64, 0, 0, buffer + 4096), -13);
    const region = lane.addRegion(memory.region.descriptor.handle);
    const nested = { op: Op.program, region, buffer, length: 64 };
    new SlotView(slots, 0).write(0, nested);
    assert.equal(await program(64), -95);
    assert.equal(new SlotView(slots, 0).status(0), -95);
  });
});

function statusOf(lane: AsyncLane, operation: Operation): Promise<number> {
  return new Promise((resolve) => lane.submit(operation, resolve));
}

async function rejectsWith(promise: Promise<unknown>, code: string, message: RegExp): Promise<void> {
  await assert.rejects(promise, (error: unknown) => {
    assert.ok(error instanceof VfioError);
    assert.equal(error.code, code);
    assert.match(error.message, message);
    return true;
  });
}
