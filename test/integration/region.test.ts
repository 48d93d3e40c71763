import assert from 'node:assert/strict';

import { VfioError } from '../../lib/base/errors.js';
import { WorkerPool } from '../../lib/pool/pool.js';
import { type MemoryRegion, memoryRegion, TRAPPED } from '../support/memory-region.js';

describe('a region through a worker', () => {
  let pool: WorkerPool;
  before(async () => {
    pool = await WorkerPool.start({ workers: 1 });
  });
  after(() => pool.close());

  for (const [kind, flags] of [
    ['mapped', 7],
    ['trapped', TRAPPED],
  ] as const) {
    describe(kind, () => {
      let memory: MemoryRegion;
      beforeEach(async () => {
        memory = await memoryRegion(pool.lane(), { flags, fileOffset: 8192 });
      });
      afterEach(() => memory.close());

      it('reads back what it wrote, in every width and little endian', async () => {
        const { region } = memory;
        assert.equal(region.kind, kind);
        await region.write64(0, 0x1122334455667788n);
        assert.equal(await region.read64(0), 0x1122334455667788n);
        assert.equal(await region.read32(4), 0x11223344);
        assert.equal(await region.read16(2), 0x5566);
        assert.equal(await region.read8(0), 0x88);
        await region.write8(0, 0xff);
        await region.write16(2, 0xeeee);
        await region.write32(4, 0xdddddddd);
        assert.equal(await region.read64(0), 0xddddddddeeee77ffn);
        assert.equal(region.accessor.read64(0), 0xddddddddeeee77ffn);
        region.accessor.doorbell32(8, 0xcafe);
        assert.equal(await region.read64(8), 0xcafen);
        assert.throws(() => region.accessor.doorbell32(10, 1), { code: 'ERR_INVALID_ARGUMENT' });
      });

      it('runs operations in the order of their calls', async () => {
        const { region } = memory;
        const writes = Array.from({ length: 20_000 }, (_, value) => region.write32(16, value));
        const last = region.read32(16);
        await Promise.all(writes);
        assert.equal(await last, 19_999);
      });

      it('runs many batches at a time, and returns what each step read', async () => {
        const { region } = memory;
        const batch = (base: number, count: number): Promise<unknown[]> =>
          region.batch(
            Array.from({ length: count }, (_, i) => [
              { write: base, width: 8 as const, value: BigInt(base) << 32n },
              { write: base, width: 2 as const, value: -1n - BigInt(i) },
              { write: base + 2, width: 1 as const, value: 0x101 },
              { read: base, width: 4 as const },
              { read: base, width: 8 as const },
            ]).flat(),
          );
        for (const counts of [
          [1, 100],
          [1000, 3],
          [0, 0],
        ]) {
          const answers = await Promise.all(counts.map((count, index) => batch(64 * (index + 1), count)));
          for (const [index, answer] of answers.entries()) {
            const low = (i: number): number => 0x10000 + 0xffff - i;
            const expected = Array.from({ length: counts[index] as number }, (_, i) => [
              ...[undefined, undefined, undefined, low(i)],
              (BigInt(64 * (index + 1)) << 32n) + BigInt(low(i)),
            ]).flat();
            assert.deepEqual(answer, expected);
          }
        }
      });

      it('stops a batch at the step that fails, and does not begin a batch with a step outside of the region', async () => {
        const { region } = memory;
        await region.write32(0, 0);
        const outside = [
          { write: 0, width: 4 as const, value: 1 },
          { read: region.size, width: 4 as const },
        ];
        await rejectsWith(region.batch(outside), 'ERR_OUT_OF_RANGE');
        assert.equal(await region.read32(0), 0);
        await region.close();
        await rejectsWith(region.batch([{ read: 0, width: 4 }]), 'ERR_CLOSED');
      });

      it('polls for a value until a timeout', async () => {
        const { region } = memory;
        const poll = region.pollUntil(8, { width: 4, mask: 0xff, value: 7 }, { timeoutMs: 5000 });
        setTimeout(() => region.accessor.write32(8, 0x107), 5);
        assert.equal(await poll, 0x107);
        await rejectsWith(region.pollUntil(8, { width: 4, mask: 1, value: 0 }, { timeoutMs: 20 }), 'ERR_TIMEOUT');
      });

      it('aborts a poll by a signal', async () => {
        const stop = new AbortController();
        const options = { timeoutMs: 10_000, signal: stop.signal };
        const poll = memory.region.pollUntil(8, { width: 4, mask: 1, value: 1 }, options);
        setTimeout(() => stop.abort(), 5);
        await rejectsWith(poll, 'ERR_ABORTED');
      });

      it('copies blocks to and from shared memory', async () => {
        const buffer = new SharedArrayBuffer(4096);
        const bytes = new Uint8Array(buffer);
        bytes.forEach((_, index) => (bytes[index] = (index * 7) & 0xff));
        await memory.region.copyFromBuffer(4096, 2048, buffer, 1024, 4);
        const back = new SharedArrayBuffer(2048);
        await memory.region.copyToBuffer(4096, 2048, back, 0, 8);
        assert.deepEqual(Buffer.from(back), Buffer.from(bytes.slice(1024, 3072)));
        await rejectsWith(memory.region.copyToBuffer(0, 4096, back, 0, 4), 'ERR_OUT_OF_RANGE');
      });

      it('rejects an access outside of the region, and names the place', async () => {
        const { region } = memory;
        await rejectsWith(region.read32(region.size), 'ERR_OUT_OF_RANGE', /region 0 of memory at 0x10000/);
        await rejectsWith(region.read32(-4), 'ERR_OUT_OF_RANGE');
        await rejectsWith(region.read32(2 ** 60), 'ERR_OUT_OF_RANGE');
        await rejectsWith(region.read32(Number.NaN), 'ERR_OUT_OF_RANGE');
        await rejectsWith(region.read32(2), 'ERR_INVALID_ARGUMENT', /aligned/);
        for (const offset of [region.size, -4, 2 ** 60, Number.NaN, 4.5, 2]) {
          assert.throws(() => region.accessor.read32(offset), VfioError);
          assert.throws(() => region.accessor.write32(offset, 1), VfioError);
        }
      });

      it('rejects an offset that is not a number, though JavaScript could make one of it', () => {
        const { accessor } = memory.region;
        accessor.write32(0, 7);
        for (const offset of ['0', { valueOf: () => 0 }, null, true, [0], 0n] as unknown as number[]) {
          for (const access of ['write8', 'write16', 'write32', 'doorbell32'] as const) {
            assert.throws(() => accessor[access](offset, 1), { name: 'VfioError', code: 'ERR_INVALID_ARGUMENT' });
          }
        }
        assert.equal(accessor.read32(0), 7);
      });

      it('writes the low bits of a value, in each width', () => {
        const { accessor } = memory.region;
        const written = [-1, -2, 0x8765_4321, 0xffff_fffe].map((value) => {
          accessor.write32(0, 0);
          accessor.write32(4, value);
          accessor.write16(2, value);
          accessor.write8(0, value);
          return [accessor.read32(0), accessor.read32(4)];
        });
        assert.deepEqual(written, [
          [0xffff_00ff, 0xffff_ffff],
          [0xfffe_00fe, 0xffff_fffe],
          [0x4321_0021, 0x8765_4321],
          [0xfffe_00fe, 0xffff_fffe],
        ]);
      });

      it('rejects accesses from every thread after it was closed', async () => {
        const { region } = memory;
        const { accessor } = region;
        const under = Promise.allSettled(Array.from({ length: 100 }, () => region.read32(0)));
        await region.close();
        for (const answer of await under) {
          if (answer.status === 'fulfilled') assert.equal(answer.value, 0);
          else assert.equal((answer.reason as VfioError).code, 'ERR_CLOSED');
        }
        await rejectsWith(region.read32(0), 'ERR_CLOSED');
        assert.throws(() => accessor.write32(0, 1), { code: 'ERR_CLOSED' });
        for (const { view } of region.areas) assert.equal(view[0], 0xff);
      });
    });
  }

  it('traps the parts between sparse areas', async () => {
    const memory = await memoryRegion(pool.lane(), { sparse: [{ offset: 4096, size: 8192 }] });
    assert.equal(memory.region.kind, 'partly');
    for (const offset of [0, 4092, 4096, 12284, 12288]) {
      await memory.region.write32(offset, offset + 1);
      assert.equal(memory.region.accessor.read32(offset), offset + 1);
    }
    assert.equal(memory.region.mappings[0]?.epoch, 0);
    await memory.close();
  });

  it('rejects a write to a region that can only be read', async () => {
    const memory = await memoryRegion(pool.lane(), { flags: 5 });
    await rejectsWith(memory.region.write32(0, 1), 'ERR_NOT_SUPPORTED');
    assert.throws(() => memory.region.accessor.write32(0, 1), { code: 'ERR_NOT_SUPPORTED' });
    assert.equal(await memory.region.read32(0), 0);
    await memory.close();
  });

  it('reports a short transfer', async () => {
    const memory = await memoryRegion(pool.lane(), { flags: TRAPPED, fileBytes: 4096 });
    assert.equal(await memory.region.read32(4092), 0);
    await rejectsWith(memory.region.read32(4096), 'ERR_SHORT_TRANSFER', /region 0 of memory at 0x1000/);
    await memory.close();
  });
});

async function rejectsWith(promise: Promise<unknown>, code: string, message?: RegExp): Promise<void> {
  await assert.rejects(promise, (error: unknown) => {
    assert.ok(error instanceof VfioError);
    assert.equal(error.code, code);
    if (message !== undefined) assert.match(error.message, message);
    return true;
  });
}
