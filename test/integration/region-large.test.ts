import assert from 'node:assert/strict';

import { WorkerPool } from '../../lib/pool/pool.js';
import { Program } from '../../lib/region/program.js';
import { type MemoryRegion, memoryRegion } from '../support/memory-region.js';

const GIB = 2 ** 30;

describe('a region of 9 GiB', () => {
  let pool: WorkerPool;
  let memory: MemoryRegion;
  const buffer = new SharedArrayBuffer(8192);
  before(async () => {
    pool = await WorkerPool.start({ workers: 1 });
    memory = await memoryRegion(pool.lane(), { size: 9 * GIB });
  });
  after(async () => {
    await memory.close();
    await pool.close();
  });

  it('is read and written at all offsets, by workers and by the accessor', async () => {
    const { region } = memory;
    const { accessor } = region;
    assert.equal(region.kind, 'mapped');
    for (const offset of [8, 4 * GIB - 8, 4 * GIB, 8 * GIB - 8, 8 * GIB, 9 * GIB - 8]) {
      await region.write64(offset, BigInt(offset));
      assert.equal(accessor.read64(offset), BigInt(offset));
      accessor.write32(offset, 7);
      assert.deepEqual([accessor.read32(offset), accessor.read16(offset), accessor.read8(offset)], [7, 7, 7]);
      assert.equal(await region.read32(offset), 7);
    }
    assert.throws(() => accessor.read32(9 * GIB), { code: 'ERR_OUT_OF_RANGE' });
  });

  it('has views of 4 GiB at most, which cover all of it', () => {
    const { areas, accessor } = memory.region;
    assert.deepEqual(
      areas.map(({ regionOffset, view }) => [regionOffset, view.length]),
      [
        [0, 4 * GIB],
        [4 * GIB, 4 * GIB],
        [8 * GIB, GIB],
      ],
    );
    for (const { regionOffset, view } of areas) {
      accessor.write8(regionOffset + view.length - 1, 0x5a);
      assert.equal(view.at(-1), 0x5a);
    }
  });

  it('rejects a copy that is larger than the buffer', async () => {
    const program = new Program(memory.region);
    for (const [length, bufferOffset] of [
      [4 * GIB, 0],
      [4 * GIB + 4096, 0],
      [4 * GIB - 4, 0],
      [8196, 0],
      [8192, 4],
      [4, 8192],
      [4, -4],
      [4, 2 ** 32],
    ] as const) {
      const refused = { code: 'ERR_OUT_OF_RANGE' };
      await assert.rejects(memory.region.copyToBuffer(0, length, buffer, bufferOffset), refused);
      await assert.rejects(memory.region.copyFromBuffer(0, length, buffer, bufferOffset), refused);
      assert.throws(() => program.copyToBuffer(0, length, buffer, bufferOffset), refused);
      assert.throws(() => program.copyFromBuffer(0, length, buffer, bufferOffset), refused);
    }
    assert.equal(program.length, 0);
    await memory.region.copyToBuffer(4 * GIB, 8192, buffer);
  });
});
