import assert from 'node:assert/strict';

import { WorkerPool } from '../../lib/pool/pool.js';
import { Program } from '../../lib/region/program.js';
import { collectGarbage } from '../support/own-memory.js';
import { type MemoryRegion, memoryRegion } from '../support/memory-region.js';

describe('a program that runs again', () => {
  let pool: WorkerPool;
  let memory: MemoryRegion;
  let program: Program;
  before(async () => {
    pool = await WorkerPool.start({ workers: 1 });
  });
  after(() => pool.close());
  beforeEach(async () => {
    memory = await memoryRegion(pool.lane());
    program = new Program(memory.region, 4);
  });
  afterEach(() => memory.close());

  for (const [where, run] of [
    ['here', () => program.run()],
    ['on a worker', () => memory.region.run(program)],
  ] as const) {
    it(`modifies the same bits each time, ${where}`, async () => {
      const { accessor } = memory.region;
      const step = program.modify32(16, 0xff, 0x11);
      for (const there of [0xaabbccdd, 0xaabbcc00, 0x12345678]) {
        accessor.write32(16, there);
        await run();
        assert.equal(program.value(step), there);
        assert.equal(accessor.read32(16), ((there & ~0xff) | 0x11) >>> 0);
      }
    });

    it(`polls for the same value each time, ${where}`, async () => {
      const { accessor } = memory.region;
      const narrow = program.pollUntil(0, { width: 4, mask: 1, value: 0 }, 1000);
      const wide = program.pollUntil(8, { width: 8, mask: 0xff_0000_0000n, value: 0x7_0000_0000n }, 1000);
      for (const there of [0x10, 0x20, 0x40]) {
        accessor.write32(0, there);
        accessor.write64(8, 0x7_0000_0000n + BigInt(there));
        await run();
        assert.deepEqual([program.value(narrow), program.value64(wide)], [there, 0x7_0000_0000n + BigInt(there)]);
      }
    });
  }

  it('keeps no values of steps that `clear` removed', () => {
    memory.region.accessor.write32(16, 0xaabbccdd);
    program.modify32(16, 0xff, 0x11);
    program.run();
    program.clear().write32(16, 5);
    program.run();
    assert.equal(memory.region.accessor.read32(16), 5);
  });

  it('keeps the buffers of its copies from being collected', async () => {
    (() => {
      const buffer = new SharedArrayBuffer(4096);
      new Uint8Array(buffer).fill(7);
      program.copyFromBuffer(0, 4096, buffer);
    })();
    await collectGarbage();
    program.run();
    assert.equal(memory.region.accessor.read32(0), 0x07070707);
  });
});
