import assert from 'node:assert/strict';

import fc from 'fast-check';

import { IovaAllocator } from '../../../lib/dma/iova/iova-allocator.js';
import { intersect, subtract } from '../../../lib/dma/iova/iova-ranges.js';

const PAGE = 4096;
const X86 = [
  { start: 0n, last: 0xfedfffffn },
  { start: 0xfef00000n, last: 0xffffffffffffn },
];
const LAST = (1n << 64n) - 1n;

const pages = (count: number): bigint => BigInt(count) * 4096n;

describe('iova allocator', () => {
  it('allocates the lowest range that fits: aligned, up to the limit, never across a hole', () => {
    const allocator = new IovaAllocator(PAGE, X86);
    const ask = (size: bigint, alignment = 4096n, limit = LAST): bigint | undefined =>
      allocator.allocate({ size, alignment, limit });
    assert.equal(ask(4096n), 0x10000n);
    assert.equal(ask(4096n, 0x200000n), 0x200000n);
    assert.equal(ask(4096n), 0x11000n);
    assert.equal(ask(0xff000000n), 0xfef00000n, 'past the interrupt window');
    assert.equal(ask(0xff000000n, 4096n, 0xffffffffn), undefined, 'not below 4 GiB');
    assert.equal(ask(1n << 48n), undefined);
  });

  it('reserves only ranges that are free and can be mapped', () => {
    const allocator = new IovaAllocator(PAGE, X86);
    assert.ok(allocator.reserve(0n, 0x10000n));
    assert.equal(allocator.reserve(0xf000n, 0x2000n), false);
    assert.equal(allocator.reserve(0xfedff000n, 0x2000n), false);
    assert.equal(allocator.reserve(0xfee00000n, 0x1000n), false);
    allocator.release(0n, 0x10000n);
    assert.ok(allocator.reserve(0xf000n, 0x2000n));
  });

  it('behaves as a plain list of pages does for random requests', () => {
    const step = fc.oneof(
      fc.record({
        kind: fc.constant('allocate' as const),
        size: fc.integer({ min: 1, max: 5 }),
        order: fc.nat(5),
        lastPage: fc.integer({ min: 16, max: 70 }),
      }),
      fc.record({ kind: fc.constant('reserve' as const), page: fc.nat(70), size: fc.integer({ min: 1, max: 6 }) }),
      fc.record({ kind: fc.constant('release' as const), which: fc.nat(20) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const ranges = [
          { start: 0n, last: pages(40) - 1n },
          { start: pages(44), last: pages(64) - 1n },
        ];
        const allocator = new IovaAllocator(PAGE, ranges);
        const free = new Set(Array.from({ length: 64 }, (_, page) => page).filter((page) => page < 40 || page >= 44));
        const held: { page: number; size: number }[] = [];
        const fits = (page: number, size: number): boolean =>
          Array.from({ length: size }, (_, index) => page + index).every((at) => free.has(at));
        const take = (page: number, size: number): void => {
          for (let index = 0; index < size; index += 1) free.delete(page + index);
          held.push({ page, size });
        };
        for (const one of steps) {
          if (one.kind === 'release') {
            const [gone] = held.splice(one.which % (held.length || 1), 1);
            if (gone === undefined) continue;
            allocator.release(pages(gone.page), pages(gone.size));
            for (let index = 0; index < gone.size; index += 1) free.add(gone.page + index);
          } else if (one.kind === 'reserve') {
            const can = fits(one.page, one.size);
            assert.equal(allocator.reserve(pages(one.page), pages(one.size)), can);
            if (can) take(one.page, one.size);
          } else {
            const alignment = 1 << one.order;
            const asked = { size: pages(one.size), alignment: pages(alignment), limit: pages(one.lastPage + 1) - 1n };
            const expected = Array.from({ length: 64 }, (_, page) => page).find(
              (page) =>
                page >= 16 && page % alignment === 0 && page + one.size - 1 <= one.lastPage && fits(page, one.size),
            );
            assert.equal(allocator.allocate(asked), expected === undefined ? undefined : pages(expected));
            if (expected !== undefined) take(expected, one.size);
          }
        }
      }),
      { numRuns: 1000 },
    );
  });

  it('does not allocate ranges that are mapped', () => {
    const ranges = [{ start: 0x100000n, last: 0x10ffffn }];
    const allocator = new IovaAllocator(PAGE, ranges, [{ start: 0x100000n, last: 0x103fffn }]);
    assert.equal(allocator.allocate({ size: 0xc000n, alignment: 4096n, limit: LAST }), 0x104000n);
    assert.equal(allocator.allocate({ size: 4096n, alignment: 4096n, limit: LAST }), undefined);
    allocator.release(0x100000n, 0x4000n);
    assert.equal(allocator.allocate({ size: 0x4000n, alignment: 4096n, limit: LAST }), 0x100000n);
  });

  it('holds 65,000 allocations and joins them again', () => {
    const allocator = new IovaAllocator(PAGE, X86);
    const taken = Array.from({ length: 65_000 }, () =>
      allocator.allocate({ size: 4096n, alignment: 4096n, limit: LAST }),
    );
    assert.equal(new Set(taken).size, 65_000);
    for (const iova of taken) if (iova !== undefined) allocator.release(iova, 4096n);
    assert.equal(allocator.allocate({ size: 0xfe000000n, alignment: 4096n, limit: LAST }), 0x10000n);
  });
});

describe('iova ranges', () => {
  it('intersects and subtracts', () => {
    const ranges = [
      { start: 0n, last: 9n },
      { start: 20n, last: 29n },
    ];
    assert.deepEqual(intersect(ranges, [{ start: 5n, last: 24n }]), [
      { start: 5n, last: 9n },
      { start: 20n, last: 24n },
    ]);
    assert.deepEqual(
      subtract(ranges, [
        { start: 3n, last: 4n },
        { start: 9n, last: 25n },
      ]),
      [
        { start: 0n, last: 2n },
        { start: 5n, last: 8n },
        { start: 26n, last: 29n },
      ],
    );
  });
});
