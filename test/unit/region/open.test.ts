import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';

import { VfioError } from '../../../lib/base/errors.js';
import { WorkerPool } from '../../../lib/pool/pool.js';
import { memoryRegion } from '../../support/memory-region.js';

describe('opening a region', () => {
  const sparse = [
    { offset: 0, size: 8192 },
    { offset: 16384, size: 4096 },
  ];
  const published: unknown[] = [];
  const listen = (error: unknown): void => void published.push(error);
  let pool: WorkerPool;
  before(async () => {
    subscribe('vfio-engine:map-failed', listen);
    pool = await WorkerPool.start({ workers: 1 });
  });
  beforeEach(() => (published.length = 0));
  after(async () => {
    unsubscribe('vfio-engine:map-failed', listen);
    await pool.close();
  });

  it('has no map errors if the kernel maps all areas', async () => {
    const memory = await memoryRegion(pool.lane(), { sparse });
    assert.deepEqual(memory.region.mapErrors, []);
    assert.deepEqual(published, []);
    await memory.close();
  });

  it('traps an area that the kernel refuses to map, and tells the error in `mapErrors` and on a channel', async () => {
    const memory = await memoryRegion(pool.lane(), { sparse, refusedAreas: [16384] });
    const { region } = memory;
    assert.equal(region.kind, 'partly');
    assert.deepEqual(
      region.areas.map(({ regionOffset, view }) => [regionOffset, view.length]),
      [[0, 8192]],
    );
    const [error] = region.mapErrors;
    assert.ok(error instanceof VfioError);
    assert.deepEqual([error.code, error.syscall, error.device], ['EINVAL', 'mmap', 'memory']);
    assert.deepEqual(published, region.mapErrors);
    await region.write32(16384, 0x1234);
    assert.equal(region.accessor.read32(16384), 0x1234);
    await memory.close();
  });

  it('traps all of a region of which the kernel maps nothing', async () => {
    const memory = await memoryRegion(pool.lane(), { refusedAreas: [0] });
    assert.equal(memory.region.kind, 'trapped');
    assert.equal(memory.region.mapErrors.length, 1);
    await memory.close();
  });
});
