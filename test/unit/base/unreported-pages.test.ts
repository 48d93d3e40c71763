import assert from 'node:assert/strict';

import fc from 'fast-check';

import type { DirtyRange } from '../../../lib/base/iova-range.js';
import { UnreportedPages } from '../../../lib/base/unreported-pages.js';

const PAGE = 4096n;

function range(firstPage: number, pages: number, pageSize = PAGE): DirtyRange {
  return { iova: BigInt(firstPage) * PAGE, size: BigInt(pages) * PAGE, pageSize };
}

const tells =
  (...bytes: number[]): (() => Promise<Uint8Array>) =>
  () =>
    Promise.resolve(Uint8Array.from(bytes));
const fails = (): Promise<Uint8Array> => Promise.reject(new Error('no'));
const failed = { message: 'no' };

/** The pages of 4 KiB that a bitmap tells of. */
function pagesOf({ iova, size, pageSize }: DirtyRange, bitmap: Uint8Array): Set<number> {
  const pages = new Set<number>();
  for (let page = 0; page < Number(size / PAGE); page++) {
    const bit = Number((BigInt(page) * PAGE) / pageSize);
    if ((bitmap[bit >> 3]! & (1 << (bit & 7))) !== 0) pages.add(Number(iova / PAGE) + page);
  }
  return pages;
}

describe('UnreportedPages: dirty pages that a failed call has read', () => {
  it('reports them with the next call, once', async () => {
    const untold = new UnreportedPages();
    await assert.rejects(untold.read(range(0, 8), [tells(0b10), fails, tells(0b1000_0000)]), failed);
    assert.deepEqual(await untold.read(range(0, 8), [tells(0b100)]), Uint8Array.of(0b110));
    assert.deepEqual(await untold.read(range(0, 8), [tells(0)]), Uint8Array.of(0));
  });

  it('keeps them while calls fail', async () => {
    const untold = new UnreportedPages();
    await assert.rejects(untold.read(range(0, 8), [tells(1), fails]), failed);
    await assert.rejects(untold.read(range(0, 8), [fails]), failed);
    assert.deepEqual(await untold.read(range(0, 8), []), Uint8Array.of(1));
  });

  it('reports them in larger pages, and keeps the part outside of the range', async () => {
    const untold = new UnreportedPages();
    await assert.rejects(untold.read(range(0, 32, 4n * PAGE), [tells(0b11), fails]), failed);
    assert.deepEqual(await untold.read(range(2, 4), []), Uint8Array.of(0b1111));
    assert.deepEqual(await untold.read(range(0, 32, 8n * PAGE), []), Uint8Array.of(1));
    assert.deepEqual(await untold.read(range(0, 32), []), new Uint8Array(4));
  });

  it('forgets them when their range is unmapped', async () => {
    const untold = new UnreportedPages();
    await assert.rejects(untold.read(range(16, 16), [tells(0xff, 0xff), fails]), failed);
    untold.forget(16n * PAGE, 12n * PAGE);
    assert.deepEqual(await untold.read(range(16, 16), []), Uint8Array.of(0, 0xf0));
    await assert.rejects(untold.read(range(16, 16), [tells(0xff, 0xff), fails]), failed);
    untold.forgetAll();
    assert.deepEqual(await untold.read(range(16, 16), []), new Uint8Array(2));
  });

  it('loses no page in any sequence of calls', async () => {
    const call = fc.record({
      first: fc.nat(40),
      pages: fc.integer({ min: 1, max: 40 }),
      dirty: fc.array(fc.nat(39), { maxLength: 4 }),
      fails: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(call, { maxLength: 12 }), async (calls) => {
        const untold = new UnreportedPages();
        const owed = new Set<number>();
        for (const { first, pages, dirty, fails: failing } of calls) {
          const asked = range(first, pages);
          const bitmap = new Uint8Array(Math.ceil(pages / 8));
          for (const page of dirty.filter((each) => each < pages)) {
            bitmap[page >> 3]! |= 1 << (page & 7);
            owed.add(first + page);
          }
          if (failing) {
            await assert.rejects(untold.read(asked, [tells(...bitmap), fails]), failed);
            continue;
          }
          const told = pagesOf(asked, await untold.read(asked, [tells(...bitmap)]));
          const due = new Set([...owed].filter((page) => first <= page && page < first + pages));
          assert.deepEqual([...told].sort(), [...due].sort());
          for (const page of due) owed.delete(page);
        }
      }),
      { numRuns: 300 },
    );
  });
});
