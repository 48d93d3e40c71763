import assert from 'node:assert/strict';

import type { AsyncLane } from '../../lib/lane/async-lane.js';
import { Op } from '../../lib/layout/slot.js';
import { WorkerPool } from '../../lib/pool/pool.js';
import { Program } from '../../lib/region/program.js';
import { type MemoryRegion, memoryRegion } from '../support/memory-region.js';
import { uncaughtDuring } from '../support/uncaught.js';

describe('aborting operations', () => {
  const never = { width: 4, mask: 1, value: 1 } as const;
  let pool: WorkerPool;
  let lane: AsyncLane;
  let memory: MemoryRegion;
  before(async () => {
    pool = await WorkerPool.start({ workers: 1, laneCapacity: 64 });
    lane = pool.lane();
    memory = await memoryRegion(lane);
  });
  after(async () => {
    await memory.close();
    await pool.close();
  });

  for (const [name, signal] of [
    ['an object', {}],
    ['what only looks like one', { aborted: false, addEventListener: () => undefined }],
    ['a controller', new AbortController()],
    ['null', null],
  ] as const) {
    it(`${name} is rejected as a signal, and other operations go on`, async () => {
      const { region } = memory;
      const wrong = { signal: signal as unknown as AbortSignal, timeoutMs: 20 };
      const program = new Program(region);
      program.write32(0, 1);
      const refused = {
        code: 'ERR_INVALID_ARGUMENT',
        message: /^`signal` must be an AbortSignal\. Received (an object|null)$/,
      };
      const uncaught = await uncaughtDuring(async () => {
        const stopped = [...[1, 2, 3].map(() => region.pollUntil(0, never, wrong)), region.run(program, wrong)];
        const others = Array.from({ length: 200 }, () => region.read32(0));
        await Promise.all(stopped.map((promise) => assert.rejects(promise, refused)));
        for (const value of await Promise.all(others)) assert.equal(value, 0);
      });
      assert.deepEqual(uncaught, []);
    });
  }

  it('does not begin an operation whose signal is aborted already', async () => {
    const { region } = memory;
    const signal = AbortSignal.abort();
    await assert.rejects(region.pollUntil(0, { ...never, value: 0 }, { signal }), { code: 'ERR_ABORTED' });
    assert.equal(lane.pending, 0);
  });

  it('calls all callbacks of answers, even if one of them throws', async () => {
    const read = { op: Op.read, width: 4, region: lane.addRegion(memory.region.descriptor.handle), offset: 0 };
    const statuses: number[] = [];
    const uncaught = await uncaughtDuring(async () => {
      for (let i = 0; i < 200; i++) {
        lane.submit(read, (status) => {
          statuses.push(status);
          if (i % 50 === 0) throw new Error(`listener ${i}`);
        });
      }
      await memory.region.read32(0);
    });
    assert.deepEqual(statuses, new Array(200).fill(0));
    assert.deepEqual(
      uncaught.map((error) => (error as Error).message),
      ['listener 0', 'listener 50', 'listener 100', 'listener 150'],
    );
  });
});
