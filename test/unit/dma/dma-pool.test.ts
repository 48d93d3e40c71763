import assert from 'node:assert/strict';

import fc from 'fast-check';

import { DmaSpace } from '../../../lib/dma/dma-space.js';
import type { DmaPoolBuffer } from '../../../lib/dma/dma-pool.js';

describe('pool of DMA buffers', () => {
  const space = new DmaSpace();
  afterEach(() => space.unmapAll());

  it('is one mapping, cut into aligned buffers that do not overlap', async () => {
    const pool = await space.createPool({ bufferSize: 1500, count: 100, kind: 'memfd' });
    assert.equal(space.mappingCount, 1);
    const taken = Array.from({ length: 100 }, () => pool.take());
    assert.equal(pool.take(), undefined);
    assert.deepEqual([pool.count, pool.available], [100, 0]);
    const buffers = taken.filter((buffer) => buffer !== undefined);
    const offsets = buffers.map(({ offset }) => offset).sort((one, other) => one - other);
    assert.deepEqual(
      offsets,
      Array.from({ length: 100 }, (_, index) => index * 1536),
    );
    const base = (buffers[0]?.iova ?? 0n) - BigInt(buffers[0]?.offset ?? 0);
    for (const { bytes, offset, iova } of buffers) {
      assert.deepEqual([bytes.byteOffset, bytes.byteLength, bytes.buffer], [offset, 1500, pool.memory]);
      assert.equal(iova, base + BigInt(offset));
    }
  });

  it('aligns the IOVA of each buffer to `bufferAlignment`', async () => {
    const pool = await space.createPool({ bufferSize: 100, count: 3, bufferAlignment: 65536 });
    for (let index = 0; index < 3; index++) assert.equal((pool.take()?.iova ?? 1n) % 65536n, 0n);
    const refused = { code: 'ERR_INVALID_ARGUMENT' };
    for (const shape of [
      { bufferSize: 0, count: 1 },
      { bufferSize: 64, count: 0 },
      { bufferSize: 64, count: 1.5 },
      { bufferSize: 64, count: 1, bufferAlignment: 48 },
    ]) {
      await assert.rejects(space.createPool(shape), refused);
    }
  });

  it('never returns a buffer twice, and accepts only buffers that are taken', async () => {
    const [pool, other] = [
      await space.createPool({ bufferSize: 64, count: 8 }),
      await space.createPool({ bufferSize: 64, count: 8 }),
    ];
    const step = fc.record({ take: fc.boolean(), which: fc.nat(7) });
    fc.assert(
      fc.property(fc.array(step), (steps) => {
        const held: DmaPoolBuffer[] = [];
        for (const { take, which } of steps) {
          if (take) {
            const buffer = pool.take();
            assert.equal(buffer === undefined, held.length === 8);
            assert.ok(buffer === undefined || !held.includes(buffer));
            if (buffer !== undefined) held.push(buffer);
          } else {
            const [buffer] = held.splice(which, 1);
            if (buffer === undefined) continue;
            pool.give(buffer);
            assert.throws(() => pool.give(buffer), { code: 'ERR_INVALID_ARGUMENT' });
            assert.throws(() => other.give(buffer), { code: 'ERR_INVALID_ARGUMENT' });
          }
          assert.equal(pool.available, 8 - held.length);
        }
        for (const buffer of held) pool.give(buffer);
      }),
    );
  });

  it('returns the buffer that was given back last', async () => {
    const pool = await space.createPool({ bufferSize: 64, count: 4 });
    const [first, second] = [pool.take(), pool.take()];
    assert.ok(first !== undefined && second !== undefined);
    pool.give(second);
    pool.give(first);
    assert.deepEqual([pool.take(), pool.take()], [first, second]);
  });

  it('rejects close while buffers are taken', async () => {
    const pool = await space.createPool({ bufferSize: 64, count: 2 });
    const buffer = pool.take();
    assert.ok(buffer !== undefined);
    await assert.rejects(pool.close(), { code: 'EBUSY' });
    pool.give(buffer);
    assert.equal(space.mappingCount, 1);
    await pool.close();
    assert.equal(space.mappingCount, 0);
    assert.throws(() => pool.take(), { code: 'ERR_CLOSED' });
  });

  it('closes with `wait` when the last buffer is given back', async () => {
    const pool = await space.createPool({ bufferSize: 64, count: 2 });
    const [first, second] = [pool.take(), pool.take()];
    assert.ok(first !== undefined && second !== undefined);
    const closing = pool.close({ wait: true });
    assert.throws(() => pool.take(), { code: 'ERR_CLOSED' });
    pool.give(first);
    assert.equal(space.mappingCount, 1);
    const again = pool.close();
    pool.give(second);
    await Promise.all([closing, again]);
    assert.equal(space.mappingCount, 0);
  });
});
