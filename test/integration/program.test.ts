import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';

import { VfioError } from '../../lib/base/errors.js';
import { WorkerPool } from '../../lib/pool/pool.js';
import type { RegionDescriptor } from '../../lib/region/descriptor.js';
import { Program } from '../../lib/region/program.js';
import { type MemoryRegion, memoryRegion, TRAPPED } from '../support/memory-region.js';
import { allocateShared } from '../support/allocate-shared.js';

const ECANCELED = -125;
const READ_ONLY_TRAPPED = 1;

describe('a program', () => {
  let pool: WorkerPool;
  before(async () => {
    pool = await WorkerPool.start({ workers: 1 });
  });
  after(() => pool.close());

  for (const [kind, flags] of [
    ['mapped', 7],
    ['trapped', TRAPPED],
  ] as const) {
    describe(`on a ${kind} region`, () => {
      let memory: MemoryRegion;
      let program: Program;
      beforeEach(async () => {
        memory = await memoryRegion(pool.lane(), { flags });
        program = new Program(memory.region, 16);
      });
      afterEach(() => memory.close());

      it('reads and writes in every width, in order', () => {
        program.write64(0, 0x1122334455667788n);
        const whole = program.read64(0);
        program.write8(0, 0x1ff);
        program.write16(2, 0xeeee);
        program.barrier();
        program.write32(4, -1);
        program.doorbell32(8, 7);
        const reads = [program.read8(0), program.read16(2), program.read32(4), program.read32(8), program.read64(0)];
        program.run();
        assert.equal(program.value64(whole), 0x1122334455667788n);
        const last = reads.pop() as number;
        assert.deepEqual(
          reads.map((step) => program.value(step)),
          [0xff, 0xeeee, 0xffffffff, 7],
        );
        assert.equal(program.value64(last), 0xffffffffeeee77ffn);
        for (let step = 0; step < program.length; step++) assert.equal(program.status(step), 0);
      });

      it('changes only the bits of a mask, and returns the value before', () => {
        memory.region.accessor.write32(16, 0xaabbccdd);
        const step = program.modify32(16, 0xff00ff00 | 0, 0x11223344);
        program.run();
        assert.equal(program.value(step), 0xaabbccdd);
        assert.equal(memory.region.accessor.read32(16), 0x11bb33dd);
      });

      it('runs again and reads new values', () => {
        const step = program.read32(0);
        for (const value of [1, 2, 3]) {
          memory.region.accessor.write32(0, value);
          program.run();
          assert.equal(program.value(step), value);
        }
      });

      it('stops at the first step that fails, and tells which steps did not run', () => {
        program.write32(0, 1);
        program.write32(2, 2);
        program.write32(4, 3);
        throwsWith(() => program.run(), 'ERR_INVALID_ARGUMENT');
        assert.deepEqual([program.status(0), program.status(1), program.status(2)], [0, -22, ECANCELED]);
        assert.equal(memory.region.accessor.read64(0), 1n);
      });

      it('rejects offsets outside of the region, those of more than 32 bits too', () => {
        for (const offset of [65536, 2 ** 32, 2 ** 52]) {
          program.clear().read32(offset);
          throwsWith(() => program.run(), 'ERR_OUT_OF_RANGE');
        }
        for (const offset of [-4, 0.5, NaN, 2 ** 53]) throwsWith(() => program.read32(offset), 'ERR_OUT_OF_RANGE');
      });

      it('polls for a value until a timeout', async () => {
        const never = { width: 4, mask: 1, value: 1 } as const;
        program.pollUntil(8, never, 20);
        const start = process.hrtime.bigint();
        throwsWith(() => program.run(), 'ERR_TIMEOUT');
        assert.ok(process.hrtime.bigint() - start >= 20_000_000n);
        program.clear().read32(8);
        program.run(); // the deadline that has passed is not this step's
        const worker = writerAfter(50, memory.region.descriptor, 8, 0x107);
        const step = program.clear().pollUntil(8, { width: 4, mask: 0xff, value: 7 }, 10_000);
        program.run();
        assert.equal(program.value(step), 0x107);
        await worker;
      });

      it('polls for all 64 bits', () => {
        memory.region.accessor.write64(8, 0xfedcba9876543210n);
        program.pollUntil(8, { width: 8, mask: 0xffffffff_00000000n, value: 0xfedcba98_00000000n }, 1000);
        program.run();
        assert.equal(program.value64(0), 0xfedcba9876543210n);
      });

      it('copies blocks both ways, in every width', () => {
        const buffer = allocateShared(4096);
        const bytes = new Uint8Array(buffer);
        for (const width of [1, 2, 4, 8] as const) {
          bytes.forEach((_, i) => (bytes[i] = i * width));
          program.clear().copyFromBuffer(256, 64, buffer, 0, width);
          program.copyToBuffer(256, 64, buffer, 1024, width);
          program.run();
          assert.deepEqual([...bytes.subarray(1024, 1088)], [...bytes.subarray(0, 64)]);
        }
        throwsWith(() => program.copyToBuffer(0, 64, buffer, 4064), 'ERR_OUT_OF_RANGE');
        throwsWith(() => program.copyToBuffer(0, 64, buffer, 2), 'ERR_INVALID_ARGUMENT');
        throwsWith(() => program.copyToBuffer(0, 6, buffer), 'ERR_INVALID_ARGUMENT');
        throwsWith(() => program.copyToBuffer(65532, 8, buffer), 'ERR_OUT_OF_RANGE');
      });
    });
  }

  it('has steps on several regions, and names the region of the step that failed', async () => {
    const first = await memoryRegion(pool.lane());
    const second = await memoryRegion(pool.lane(), { flags: READ_ONLY_TRAPPED });
    const program = new Program(first.region);
    program.write32(0, 5);
    const step = program.on(second.region).read32(0);
    program.on(first.region).read32(0);
    program.run();
    assert.deepEqual([program.value(step), program.value(step + 1)], [0, 5]);
    program.on(second.region).write32(0, 1);
    throwsWith(() => program.run(), 'ERR_NOT_SUPPORTED');
    await second.close();
    throwsWith(() => program.run(), 'ERR_CLOSED');
    await first.close();
  });

  it('runs more steps than one native call runs', async () => {
    const memory = await memoryRegion(pool.lane());
    const program = new Program(memory.region, 20_000);
    for (let i = 0; i < 10_000; i++) {
      program.write32(0, i);
      program.read32(0);
    }
    program.run();
    for (let i = 0; i < 10_000; i++) assert.equal(program.value(2 * i + 1), i);
    program.clear();
    for (let i = 0; i < 9000; i++) program.write32(0, i);
    program.read32(2);
    program.write32(0, 1);
    throwsWith(() => program.run(), 'ERR_INVALID_ARGUMENT');
    assert.deepEqual([program.status(8999), program.status(9000), program.status(9001)], [0, -22, ECANCELED]);
    await memory.close();
  });

  it('lets its thread be terminated while it polls', async () => {
    const memory = await memoryRegion(pool.lane());
    const worker = threadThatPolls(memory.region.descriptor, 15_000);
    await once(worker, 'message');
    await new Promise((resolve) => setTimeout(resolve, 100));
    const start = performance.now();
    await worker.terminate();
    // 50 ms at most, and what a busy machine adds.
    assert.ok(performance.now() - start < 1000, `it took ${performance.now() - start} ms`);
    await memory.close();
  });

  it('has room for as many steps as its capacity', async () => {
    const memory = await memoryRegion(pool.lane());
    const program = new Program(memory.region, 2);
    program.read32(0);
    program.read32(0);
    assert.throws(() => program.read32(0), { code: 'ERR_OUT_OF_RANGE' });
    assert.equal(program.clear().length, 0);
    program.run();
    await memory.close();
  });
});

function throwsWith(body: () => unknown, code: string): void {
  assert.throws(body, (error: unknown) => error instanceof VfioError && error.code === code);
}

/** Writes a register from another thread, while this one is blocked. */
function writerAfter(
  milliseconds: number,
  descriptor: RegionDescriptor,
  offset: number,
  value: number,
): Promise<unknown> {
  const program = `
    const { workerData } = require('node:worker_threads');
    import(workerData.url).then(({ RegionAccess }) => setTimeout(
      () => new RegionAccess(workerData.descriptor).write32(workerData.offset, workerData.value), ${milliseconds}));`;
  const url = new URL('../../lib/region/region-access.js', import.meta.url).href;
  const worker = new Worker(program, { eval: true, workerData: { url, descriptor, offset, value } });
  return new Promise((resolve, reject) => worker.once('exit', resolve).once('error', reject));
}

/** The thread sends a message, and then polls for a value that never comes. */
function threadThatPolls(descriptor: RegionDescriptor, timeoutMs: number): Worker {
  const program = `
    const { workerData, parentPort } = require('node:worker_threads');
    import(workerData.url).then(({ Program }) => {
      const program = new Program(workerData);
      program.pollUntil(0, { width: 4, mask: 1, value: 1 }, workerData.timeoutMs);
      parentPort.postMessage('polls');
      program.run();
    });`;
  const url = new URL('../../lib/region/program.js', import.meta.url).href;
  return new Worker(program, { eval: true, workerData: { url, descriptor, timeoutMs } });
}
