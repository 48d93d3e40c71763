import assert from 'node:assert/strict';

import { WorkerPool } from '../../lib/pool/pool.js';
import { Program } from '../../lib/region/program.js';
import { type MemoryRegion, memoryRegion } from '../support/memory-region.js';
import { refuses, type Row } from '../support/wrong-arguments.js';

describe('arguments of regions that plain JavaScript gets wrong', () => {
  const bit = { width: 4, mask: 1, value: 1 };
  const wrongTimes = [Infinity, NaN, -1, 2 ** 31, '50', 50n];
  let pool: WorkerPool;
  let memory: MemoryRegion;
  let program: Program;
  before(async () => {
    pool = await WorkerPool.start({ workers: 1 });
    memory = await memoryRegion(pool.lane());
    program = new Program(memory.region);
  });
  after(async () => {
    await memory.close();
    await pool.close();
  });

  describe('of its operations', () => {
    refuses(
      () => memory.region,
      wrongTimes.map((timeoutMs): Row => {
        return ['a wait that cannot be', 'pollUntil', [0, bit, { timeoutMs }], /^timeoutMs is .*2147483647/];
      }),
    );
    it('0 is a time: one look at what is there', async () => {
      assert.equal(await memory.region.pollUntil(0, { width: 4, mask: 1, value: 0 }, { timeoutMs: 0 }), 0);
    });
  });

  describe('of a program', () => {
    afterEach(() => assert.equal(program.length, 0));
    refuses(
      () => program,
      [...wrongTimes, undefined].map((timeoutMs): Row => {
        return ['a wait that cannot be', 'pollUntil', [0, bit, timeoutMs], /^timeoutMs is .*2147483647/];
      }),
    );
  });
});
