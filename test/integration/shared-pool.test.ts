import assert from 'node:assert/strict';

import { Engine } from '../../lib/engine/engine.js';
import { SoftwareMachine } from '../../lib/software/machine/software-machine.js';
import { WorkerPool } from '../../lib/pool/pool.js';
import { EDU_IDENT } from '../../lib/models/edu/registers.js';

const EDU = 'f000:00:04.0';
const TESTDEV = 'f000:00:05.0';

describe('a pool that several engines share', () => {
  const machine = new SoftwareMachine();
  before(async () => {
    await machine.addDevice({ name: EDU, group: 0, model: 'edu' });
    await machine.addDevice({ name: TESTDEV, group: 1, model: 'testdev' });
  });
  after(() => machine.close());

  it('serves all engines, stays open when one closes, and fails their operations after it was closed', async () => {
    const pool = await WorkerPool.start({ workers: 1 });
    const [one, other] = [new Engine({ machine, pool }), new Engine({ machine, pool })];
    try {
      const edu = await one.attach(EDU);
      const testdev = await other.attach(TESTDEV);
      assert.deepEqual([one.workerThreads, other.workerThreads], [pool.threads, pool.threads]);
      assert.equal(await edu.region(0).read32(0), EDU_IDENT);
      await one.close();
      assert.equal(pool.threads.length, 1);
      await testdev.region(0).write8(0, 1);
      await testdev.detach();
      const again = await other.attach(EDU);
      assert.equal(await again.region(0).read32(0), EDU_IDENT);
      await pool.close();
      await assert.rejects(again.region(0).read32(0), { code: 'ERR_CLOSED' });
      await again.detach();
      await assert.rejects(other.attach(TESTDEV), { code: 'ERR_CLOSED' });
      assert.deepEqual(other.devices, []);
      assert.equal(machine.containerCount, 0);
    } finally {
      await one.close();
      await other.close();
      await pool.close();
    }
  });
});
