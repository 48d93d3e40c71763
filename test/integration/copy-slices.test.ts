import assert from 'node:assert/strict';

import { Op } from '../../lib/layout/slot.js';
import { WorkerPool } from '../../lib/pool/pool.js';
import { Program } from '../../lib/region/program.js';
import { type MemoryRegion, memoryRegion, TRAPPED } from '../support/memory-region.js';

/** Copied byte by byte, by a system call each: takes seconds. */
const SIZE = 2 ** 24;
/** Milliseconds in which what does not wait for the copy is done, on a machine that is busy. */
const SOON = 500;

describe('a long copy on a worker', function () {
  this.timeout(60_000);
  let pool: WorkerPool;
  let slow: MemoryRegion;
  const buffer = new SharedArrayBuffer(SIZE);

  beforeEach(async () => {
    pool = await WorkerPool.start({ workers: 1 });
    slow = await memoryRegion(pool.lane(), { size: SIZE, flags: TRAPPED });
  });
  afterEach(async () => {
    await slow.close();
    await pool.close();
  });
  const copy = (): Promise<unknown> =>
    slow.region.copyToBuffer(0, SIZE, buffer, 0, 1).then(
      () => 'done',
      (error: { code: string }) => error.code,
    );

  it('lets the operations of other devices run meanwhile', async () => {
    const other = await memoryRegion(pool.lane());
    let done = false;
    const copying = copy().finally(() => {
      done = true;
    });
    for (let value = 1; value <= 20; value++) {
      await other.region.write32(0, value);
      assert.equal(await other.region.read32(0), value);
    }
    assert.ok(!done);
    await slow.region.close();
    assert.equal(await copying, 'ERR_CLOSED');
    await other.close();
  });

  it('ends soon when its region is closed', async () => {
    const copying = copy();
    await pause(20);
    assert.ok((await took(slow.region.close())) < SOON);
    assert.equal(await copying, 'ERR_CLOSED');
  });

  it('ends when its region is closed, as a step of a program', async () => {
    const program = new Program(slow.region, 1);
    program.copyToBuffer(0, SIZE, buffer, 0, 1);
    const running = assert.rejects(slow.region.run(program), { code: 'ERR_CLOSED' });
    await pause(20);
    assert.ok((await took(slow.region.close())) < SOON);
    await running;
  });

  it('lets other operations run and can be cancelled, as a step of a program', async () => {
    const program = new Program(slow.region, 1);
    program.copyToBuffer(0, SIZE, buffer, 0, 1);
    const controller = new AbortController();
    const other = await memoryRegion(pool.lane());
    let done = false;
    const running = assert.rejects(slow.region.run(program, { signal: controller.signal }), { code: 'ERR_ABORTED' });
    const ended = running.finally(() => {
      done = true;
    });
    for (let value = 1; value <= 20; value++) {
      await other.region.write32(0, value);
      assert.equal(await other.region.read32(0), value);
    }
    assert.ok(!done);
    controller.abort();
    assert.ok((await took(ended)) < SOON);
    await other.close();
  });

  it('copies every byte once in each run, as a step between others of a program', async () => {
    const length = 1 << 16;
    const memory = await memoryRegion(pool.lane(), { size: 2 * length, flags: TRAPPED });
    const source = new SharedArrayBuffer(length);
    const back = new SharedArrayBuffer(length);
    const program = new Program(memory.region, 4);
    program.write32(length, 1);
    program.copyFromBuffer(4, length - 4, source, 4, 1);
    program.copyToBuffer(4, length - 4, back, 4, 1);
    program.write32(length, 2);
    for (let round = 1; round <= 2; round++) {
      new Uint8Array(source).forEach((_, at, bytes) => (bytes[at] = at < 4 ? 0 : (at * 7 + (at >> 8) + round) & 0xff));
      await memory.region.run(program);
      assert.deepEqual(Buffer.from(back), Buffer.from(source));
    }
    assert.equal(await memory.region.read32(length), 2);
    await memory.close();
  });

  it('stops where it is when it is cancelled, and keeps what it copied', async () => {
    const bytes = new Uint8Array(buffer);
    bytes.fill(0);
    const ones = new SharedArrayBuffer(SIZE);
    new Uint8Array(ones).fill(1);
    await slow.region.copyFromBuffer(0, SIZE, ones, 0, 8);
    const lane = pool.lane();
    const region = lane.addRegion(slow.region.descriptor.handle);
    const operation = { op: Op.copyOut, width: 1, region, buffer: lane.numberOf(buffer), length: SIZE };
    const status = await new Promise((resolve) => {
      const submitted = lane.submit(operation, resolve);
      setTimeout(() => submitted.cancel(), 50);
    });
    assert.equal(status, -125);
    const copied = bytes.indexOf(0);
    assert.ok(copied > 0 && copied < SIZE, `${copied} bytes`);
    assert.equal(bytes.lastIndexOf(1), copied - 1);
  });

  it('lets its worker be terminated, and does not run again', async () => {
    const copying = copy();
    await pause(20);
    assert.ok((await took(pool.threads[0]?.terminate())) < SOON);
    assert.equal(await copying, 'ERR_WORKER_DIED');
    assert.equal(await slow.region.read8(0), 0);
  });

  it('does not keep its pool from closing', async () => {
    const copying = copy();
    await pause(20);
    assert.ok((await took(pool.close())) < SOON);
    assert.equal(await copying, 'ERR_ABORTED');
  });

  it('copies every byte once, both ways, mapped and trapped and partly', async () => {
    const length = 3 * 4096 + 1024;
    const sparse = [{ offset: 4096, size: 4096 }];
    const source = new SharedArrayBuffer(length + 8);
    new Uint8Array(source).forEach((_, index, bytes) => (bytes[index] = (index * 7 + (index >> 8)) & 0xff));
    for (const options of [{ flags: TRAPPED }, { flags: 7 }, { sparse }]) {
      const memory = await memoryRegion(pool.lane(), options);
      for (const width of [1, 2, 4, 8] as const) {
        const back = new SharedArrayBuffer(length + 8);
        await memory.region.copyFromBuffer(64, length, source, 8, width);
        await memory.region.copyToBuffer(64, length, back, 8, width);
        assert.deepEqual(Buffer.from(back, 8), Buffer.from(source, 8));
        await memory.region.copyFromBuffer(64, length, new SharedArrayBuffer(length), 0, width);
      }
      await memory.close();
    }
  });
});

async function took(promise: Promise<unknown> | undefined): Promise<number> {
  const since = performance.now();
  await promise;
  return performance.now() - since;
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
