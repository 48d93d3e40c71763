import assert from 'node:assert/strict';

import { AsyncLane } from '../../lib/lane/async-lane.js';
import type { LaneDescriptor } from '../../lib/lane/descriptor.js';
import { SyncLane } from '../../lib/lane/sync-lane.js';
import { LANE } from '../../lib/layout/lane.js';
import { Op, SLOT, SlotView } from '../../lib/layout/slot.js';
import { addon } from '../../lib/native/addon.js';
import { WorkerPool } from '../../lib/pool/pool.js';
import { Program } from '../../lib/region/program.js';
import { type MemoryRegion, memoryRegion, TRAPPED } from '../support/memory-region.js';

const EBADF = -9;
const EACCES = -13;
const CANARY = 0x5eed;

/** A producer can write anything into its lane's memory. It must reach nothing that the lane was not given. */
describe('what a lane reaches', () => {
  let pool: WorkerPool;
  let own: MemoryRegion;
  let others: MemoryRegion[];
  let descriptor: LaneDescriptor;
  let lane: SyncLane;
  let number: number;
  beforeEach(async () => {
    pool = await WorkerPool.start({ workers: 1 });
    own = await memoryRegion(pool.lane());
    others = [await memoryRegion(pool.lane()), await memoryRegion(pool.lane(), { flags: TRAPPED })];
    for (const { region } of others) region.accessor.write32(0, CANARY);
    descriptor = pool.createLane();
    lane = new SyncLane(descriptor);
    number = pool.addRegion(descriptor, own.region);
  });
  afterEach(async () => {
    await pool.close();
    await Promise.all([own, ...others].map((memory) => memory.close()));
  });

  /** Numbers that a hostile producer could try: handles, numbers of other lanes, and those near its own. */
  function forgedNumbers(): number[] {
    const handles = others.map(({ region }) => region.descriptor.handle % 2 ** 32);
    const other = pool.createLane();
    const elsewhere = others.map(({ region }) => pool.addRegion(other, region));
    const near = Array.from({ length: 4096 }, (_, index) => (number + index + 1) >>> 0);
    const spread = Array.from({ length: 4096 }, (_, index) => Math.imul(index + 1, 0x9e3779b1) >>> 0);
    return [...handles, ...elsewhere, ...near, ...spread, 0, 2 ** 32 - 1].filter((forged) => forged !== number);
  }

  it('is no region of another device, whatever number its slots name', () => {
    for (const region of forgedNumbers()) {
      const position = lane.write(region, 4, 0, 1);
      assert.equal(lane.slots.status(position), EACCES, `region ${region}`);
    }
    assert.equal(lane.slots.status(lane.write(number, 4, 0, 1)), 0);
    assert.deepEqual(
      others.map(({ region }) => region.accessor.read32(0)),
      [CANARY, CANARY],
    );
  });

  it('is no other region after a slot was forged past the checks of the producer', () => {
    const shared = addon.laneView(descriptor.lane);
    const words = new Int32Array(shared);
    const slots = new SlotView(shared, LANE.slotsOffset);
    slots.writeAccess(0, Op.write, 4, others[0]!.region.descriptor.handle, 0, 1);
    words[(LANE.slotsOffset + SLOT.region) >> 2] = others[0]!.region.descriptor.handle | 0;
    Atomics.store(words, LANE.produced >> 2, 1);
    addon.workerWake(descriptor.worker);
    while (Atomics.load(words, LANE.completed >> 2) !== 1);
    assert.equal(slots.status(0), EACCES);
    assert.equal(others[0]!.region.accessor.read32(0), CANARY);
  });

  it('is no other region and no other buffer by the steps of a program', () => {
    const steps = new SharedArrayBuffer(SLOT.size);
    const view = new SlotView(steps, 0);
    const buffer = pool.addBuffer(descriptor, steps);
    const run = { op: Op.program, buffer, length: SLOT.size };
    for (const region of forgedNumbers().slice(0, 200)) {
      view.writeAccess(0, Op.write, 4, region, 0, 1);
      assert.equal(lane.slots.status(lane.run(run)), EACCES);
    }
    view.write(0, { op: Op.copyIn, width: 4, region: number, buffer: 2 ** 40, length: 4 });
    assert.equal(lane.slots.status(lane.run(run)), EACCES);
    view.writeAccess(0, Op.write, 4, number, 4, 7);
    assert.equal(lane.slots.status(lane.run(run)), 0);
    assert.equal(own.region.accessor.read32(4), 7);
    assert.deepEqual(
      others.map(({ region }) => region.accessor.read32(0)),
      [CANARY, CANARY],
    );
  });

  it('is no buffer of another lane', () => {
    const secret = new SharedArrayBuffer(4096);
    const other = pool.createLane();
    const taken = pool.addBuffer(other, secret);
    const steal = { op: Op.copyIn, width: 4, region: number, length: 4 };
    for (const buffer of [0, 1, taken, taken + 1, 2 ** 32 + taken, 2 ** 53 - 1]) {
      assert.equal(lane.slots.status(lane.run({ ...steal, buffer })), EACCES, `buffer ${buffer}`);
      assert.equal(lane.slots.status(lane.run({ op: Op.program, buffer, length: SLOT.size })), EACCES);
    }
  });

  it('is given and taken away by the pool', () => {
    const buffer = pool.addBuffer(descriptor, new SharedArrayBuffer(64));
    const copy = { op: Op.copyOut, width: 4, region: number, buffer, length: 64 };
    assert.equal(lane.slots.status(lane.run(copy)), 0);
    pool.removeBuffer(descriptor, buffer);
    assert.equal(lane.slots.status(lane.run(copy)), EBADF);
    assert.throws(() => pool.removeBuffer(descriptor, buffer), { code: 'EBADF' });
    pool.removeRegion(descriptor, number);
    assert.equal(lane.slots.status(lane.read(number, 4, 0)), EBADF);
    pool.removeRegion(descriptor, number);
    assert.throws(() => pool.removeRegion(descriptor, number + 1), { code: 'EBADF' });
    const again = pool.addRegion(descriptor, own.region);
    assert.notEqual(again, number);
    assert.equal(lane.slots.status(lane.read(again, 4, 0)), 0);
    assert.equal(lane.slots.status(lane.read(number, 4, 0)), EBADF);
  });

  it('can be more regions than fit into its first table, and forgets closed ones', async () => {
    const numbers = new Map<number, MemoryRegion>();
    for (let round = 0; round < 40; round++) {
      const memory = await memoryRegion(pool.lane(), { size: 4096 });
      numbers.set(pool.addRegion(descriptor, memory.region), memory);
    }
    let value = 0;
    for (const region of numbers.keys()) assert.equal(lane.slots.status(lane.write(region, 4, 0, ++value)), 0);
    assert.deepEqual(
      [...numbers.values()].map(({ region }) => region.accessor.read32(0)),
      Array.from({ length: 40 }, (_, index) => index + 1),
    );
    const closed = [...numbers].filter((_, index) => index % 2 === 0);
    await Promise.all(closed.map(([, memory]) => memory.close()));
    // More than there is room for, so that numbers of closed regions are forgotten. They stay unused all the same.
    for (let more = 0; more < 64; more++) pool.addRegion(descriptor, own.region);
    for (const [region] of closed) assert.equal(lane.slots.status(lane.read(region, 4, 0)), EBADF);
    await Promise.all([...numbers].filter((_, index) => index % 2 === 1).map(([, memory]) => memory.close()));
  });

  it('is what a program was given, for the steps of the program', async () => {
    const program = new Program(own.region);
    program.write32(8, 1);
    program.on(others[1]!.region).write32(8, 2);
    await own.region.run(program);
    assert.deepEqual([own.region.accessor.read32(8), others[1]!.region.accessor.read32(8)], [1, 2]);
  });

  it('stays small for a program that is used on ever other regions', async () => {
    const program = new Program(own.region);
    for (let round = 0; round < 300; round++) {
      const memory = await memoryRegion(pool.lane(), { size: 4096 });
      program.clear().on(memory.region).write32(0, round);
      program.on(own.region).write32(0, round);
      program.run();
      assert.equal(memory.region.accessor.read32(0), round);
      await memory.close();
    }
    assert.equal(own.region.accessor.read32(0), 299);
  });
});

describe('a lane of an event loop that has given most of its numbers', () => {
  it('is replaced when its last device leaves', async () => {
    const pool = await WorkerPool.start({ workers: 1 });
    const spent = pool.lane();
    const reachAddRegion = addon.reachAddRegion.bind(addon);
    // As after two billion regions.
    addon.reachAddRegion = () => 0x18000;
    assert.equal(spent.spent, false);
    spent.addRegion(1);
    addon.reachAddRegion = reachAddRegion;
    assert.equal(spent.spent, true);
    pool.giveLane(spent);
    const next = pool.lane();
    assert.ok(next instanceof AsyncLane && next !== spent);
    const memory = await memoryRegion(next);
    assert.equal(await memory.region.read32(0), 0);
    assert.throws(() => spent.submit({ op: Op.barrier }, () => undefined), { code: 'ERR_CLOSED' });
    await memory.close();
    await pool.close();
  });
});
