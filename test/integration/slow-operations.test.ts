import assert from 'node:assert/strict';

import { Engine } from '../../lib/engine/engine.js';
import { BAR, REG } from '../../lib/models/testdev/layout.js';
import { WorkerPool } from '../../lib/pool/pool.js';
import { Program } from '../../lib/region/program.js';
import { ECANCELED } from '../../lib/uapi/errno.js';
import { memoryRegion, TRAPPED } from '../support/memory-region.js';

describe('a lane under slow operations', function () {
  this.timeout(60_000);

  it('answers finished operations before it begins one that can block', async () => {
    const engine = new Engine();
    const device = await engine.attach('testdev');
    const memory = device.region(BAR.MEMORY);
    const registers = device.region(BAR.REGISTERS);
    await registers.write32(REG.DELAY, 2000);
    // Many quick operations make the worker publish their answers together.
    for (let round = 0; round < 4; round += 1) await Promise.all(Array.from({ length: 64 }, () => memory.read32(0)));
    const ended: string[] = [];
    const quick = Array.from({ length: 7 }, (_, index) => memory.read32(4 * index).then(() => ended.push('quick')));
    const slow = registers.read32(REG.SLOW).then(() => ended.push('slow'));
    const begun = performance.now();
    await Promise.all(quick);
    const took = performance.now() - begun;
    await slow;
    await engine.close();
    assert.deepEqual(ended, [...Array.from({ length: 7 }, () => 'quick'), 'slow']);
    assert.ok(took < 1000, `the quick answers came after ${took} ms, with the slow one`);
  });

  it('answers each slow operation before it begins the next, after many quick ones that cannot block', async () => {
    const engine = new Engine();
    const device = await engine.attach('testdev');
    const memory = device.region(BAR.MEMORY);
    const registers = device.region(BAR.REGISTERS);
    await registers.write32(REG.DELAY, 500);
    for (let round = 0; round < 4; round += 1) await Promise.all(Array.from({ length: 64 }, () => memory.read32(0)));
    const ended = await Promise.all(
      Array.from({ length: 2 }, () => registers.read32(REG.SLOW).then(() => performance.now())),
    );
    await engine.close();
    const between = (ended[1] as number) - (ended[0] as number);
    assert.ok(between > 250, `the first was answered ${between} ms before the second, which takes 500 ms`);
  });

  it('ends with its worker though hundreds of slow operations are published', async () => {
    const engine = new Engine();
    const device = await engine.attach('testdev');
    const registers = device.region(BAR.REGISTERS);
    await registers.write32(REG.DELAY, 50);
    const reads = Array.from({ length: 512 }, () => registers.read32(REG.SLOW).catch((error: unknown) => error));
    await reads[0];
    const begun = performance.now();
    await engine.workerThreads[0]?.terminate();
    const took = performance.now() - begun;
    await device.detach();
    await Promise.all(reads);
    await engine.close();
    // All of them take 25 seconds. The worker leaves the lane after two of them, and its turn after that.
    assert.ok(took < 500, `it took ${took} ms`);
  });

  it('gives others their turn while the steps after a failed one are cancelled', async () => {
    const pool = await WorkerPool.start({ workers: 1 });
    const [one, other] = [
      await memoryRegion(pool.lane(), { flags: TRAPPED, fileBytes: 4096 }),
      await memoryRegion(pool.lane()),
    ];
    const steps = 1_000_000;
    const program = new Program(one.region, steps);
    program.read32(8192);
    for (let step = 1; step < steps; step += 1) program.read32(0);
    const ended: string[] = [];
    const running = one.region.run(program).catch((error: Error & { code?: string }) => {
      assert.equal(error.code, 'ERR_SHORT_TRANSFER');
      ended.push('program');
    });
    await other.region.read32(0);
    ended.push('other');
    await running;
    assert.deepEqual(ended, ['other', 'program']);
    assert.deepEqual([program.status(1), program.status(steps - 1)], [-ECANCELED, -ECANCELED]);
    await one.close();
    await other.close();
    await pool.close();
  });
});
