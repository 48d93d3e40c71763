import assert from 'node:assert/strict';

import type { LaneDescriptor } from '../../lib/lane/descriptor.js';
import { LaneProducer } from '../../lib/lane/lane-producer.js';
import { SyncLane } from '../../lib/lane/sync-lane.js';
import { LANE } from '../../lib/layout/lane.js';
import { type Operation, Op } from '../../lib/layout/slot.js';
import { addon } from '../../lib/native/addon.js';
import { WorkerPool } from '../../lib/pool/pool.js';
import { type MemoryRegion, memoryRegion } from '../support/memory-region.js';
import { allocateShared } from '../support/allocate-shared.js';

const CAPACITY = 2;
const EINVAL = -22;
const ERANGE = -34;
const ETIMEDOUT = -110;

describe('a producer of a lane', () => {
  let pool: WorkerPool;
  let memory: MemoryRegion;
  let descriptor: LaneDescriptor;
  let region: number;
  before(async () => {
    pool = await WorkerPool.start({ workers: 1, laneCapacity: CAPACITY });
    memory = await memoryRegion(pool.lane());
  });
  after(async () => {
    await memory.close();
    await pool.close();
  });
  beforeEach(() => {
    descriptor = pool.createLane();
    region = pool.addRegion(descriptor, memory.region);
  });
  afterEach(() => pool.closeLane(descriptor));

  /** A poll for a value that never comes. */
  function poll(milliseconds: number): Operation {
    const deadline = Number(process.hrtime.bigint() / 1000n) + milliseconds * 1000;
    return { op: Op.poll, width: 4, region, offset: 0, mask: 1, value: 1, deadline };
  }

  it('takes the answers of an earlier producer before its own', () => {
    const earlier = new LaneProducer(descriptor);
    earlier.push(poll(100));
    earlier.pushWrite(region, 4, 64, 0xaa);
    earlier.publish();
    const next = new LaneProducer(descriptor);
    assert.deepEqual([next.pending, next.room, next.answered], [2, 0, 0]);
    assert.ok(next.waitForAnswer(10, 5000));
    assert.equal(next.slots.status(next.take()), ETIMEDOUT);
    assert.ok(next.waitForAnswer(10, 5000));
    assert.equal(next.slots.status(next.take()), 0);
    const position = next.pushRead(region, 4, 64);
    next.publish();
    assert.ok(next.waitForAnswer(10, 5000));
    assert.equal(next.take(), position);
    assert.equal(next.slots.value32(position), 0xaa);
  });

  it('waits for its own answer, not for the answer of an earlier producer', () => {
    const earlier = new SyncLane(descriptor, { timeoutMs: 10 });
    assert.throws(() => earlier.run(poll(1000)), { code: 'ERR_TIMEOUT' });
    memory.region.accessor.write32(128, 5);
    const next = new SyncLane(descriptor, { timeoutMs: 5000 });
    const position = next.read(region, 4, 128);
    assert.deepEqual([next.slots.status(position), next.slots.value32(position)], [0, 5]);
    assert.equal(next.slots.status(next.write(region, 4, 132, 6)), 0);
    assert.equal(memory.region.accessor.read32(132), 6);
  });

  it('rejects a lane whose counts are impossible', () => {
    const unserved = { ...descriptor, lane: addon.laneCreate(CAPACITY) };
    const words = new Int32Array(addon.laneView(unserved.lane));
    for (const produced of [CAPACITY + 1, -1]) {
      Atomics.store(words, LANE.produced >> 2, produced);
      assert.throws(() => new LaneProducer(unserved), { code: 'ERR_PROTOCOL' });
    }
    addon.laneClose(unserved.lane);
  });

  it('can use a slot again after the operation that timed out was answered', async () => {
    const lane = new SyncLane(descriptor, { timeoutMs: 100 });
    memory.region.accessor.write32(0, 0);
    assert.throws(() => lane.run(poll(20_000)), { code: 'ERR_TIMEOUT' });
    assert.throws(() => lane.read(region, 4, 0), { code: 'ERR_TIMEOUT' });
    assert.throws(() => lane.read(region, 4, 0), { code: 'ERR_LANE_FULL' });
    memory.region.accessor.write32(0, 1); // ends the poll
    const words = new Int32Array(addon.laneView(descriptor.lane));
    while (Atomics.load(words, LANE.completed >> 2) < CAPACITY) await new Promise((resolve) => setTimeout(resolve, 5));
    for (let round = 0; round < 3; round++) assert.equal(lane.slots.status(lane.read(region, 4, 0)), 0);
  });

  it('runs no operation of a list if one of them is wrong', () => {
    const lane = new SyncLane(descriptor);
    memory.region.accessor.write32(0, 0);
    const write = { op: Op.write, width: 4, region, offset: 0, value: 0xdead };
    assert.throws(() => lane.runAll([write, undefined as unknown as Operation]));
    assert.equal(lane.slots.status(lane.read(region, 4, 8)), 0);
    assert.equal(memory.region.accessor.read32(0), 0);
  });

  it('never copies outside of the buffer', () => {
    const lane = new SyncLane(descriptor);
    const memory = allocateShared(4096);
    const copy = { op: Op.copyOut, width: 4, region, offset: 0, buffer: pool.addBuffer(descriptor, memory) };
    const statusOf = (length: number, bufferOffset: number): number =>
      lane.slots.status(lane.run({ ...copy, length, bufferOffset }));
    assert.equal(statusOf(64, 4032), 0);
    assert.equal(statusOf(64, 4036), ERANGE);
    assert.equal(statusOf(4, 2 ** 52), ERANGE);
    assert.equal(statusOf(4, 2), EINVAL);
  });
});
