import assert from 'node:assert/strict';

import fc from 'fast-check';

import type { Fit } from '../../../lib/dma/iova/range-node.js';
import { RangeTree } from '../../../lib/dma/iova/range-tree.js';

interface Range {
  readonly start: number;
  readonly last: number;
}

/** Does what the tree does by reading every range. */
class ListOfRanges {
  ranges: Range[] = [];

  add(range: Range): void {
    this.ranges.push(range);
    this.ranges.sort((one, other) => one.start - other.start);
  }

  delete(start: number): boolean {
    const before = this.ranges.length;
    this.ranges = this.ranges.filter((range) => range.start !== start);
    return this.ranges.length < before;
  }

  overlaps(start: number, last: number): boolean {
    return this.ranges.some((range) => range.start <= last && start <= range.last);
  }

  constructor(readonly lowest: number) {}

  firstFit({ length, alignment, max }: Fit): number | undefined {
    for (const { start, last } of this.ranges) {
      const page = Math.ceil(Math.max(start, this.lowest) / alignment) * alignment;
      if (page + length - 1 <= Math.min(last, max)) return page;
    }
    return undefined;
  }
}

const PAGES = 2000;
const place = fc.nat(PAGES);
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('add' as const), start: place, length: fc.nat(7) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('delete' as const), which: fc.nat(PAGES) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('deleteMost' as const), from: place, last: place }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('resize' as const),
      which: fc.nat(PAGES),
      head: fc.nat(3),
      tail: fc.nat(3),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('fit' as const),
      length: fc.integer({ min: 1, max: 9 }),
      order: fc.nat(8),
      max: place,
    }),
  },
);
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

/** Makes a step in both and compares the results. */
function take(one: Step, tree: RangeTree, list: ListOfRanges): void {
  if (one.kind === 'fit') {
    const fit = { ...one, alignment: 2 ** one.order };
    assert.equal(tree.firstFit(fit), list.firstFit(fit));
  } else if (one.kind === 'add') {
    const range = { start: one.start, last: one.start + one.length };
    const found = tree.overlapping(range.start, range.last);
    assert.equal(found !== undefined, list.overlaps(range.start, range.last));
    if (found !== undefined) return;
    tree.add(range.start, range.last);
    list.add(range);
  } else if (one.kind === 'deleteMost') {
    for (const { start } of list.ranges.filter((range) => range.start >= one.from && range.start <= one.last)) {
      assert.equal(tree.delete(start), list.delete(start));
    }
  } else {
    const range = list.ranges[one.which % (list.ranges.length || 1)];
    if (one.kind === 'delete') {
      const start = range?.start ?? one.which;
      assert.equal(tree.delete(start), list.delete(start));
    } else if (range !== undefined && range.start + one.head <= range.last - one.tail) {
      const smaller = { ...range, start: range.start + one.head, last: range.last - one.tail };
      tree.resize(range.start, smaller.start, smaller.last);
      list.delete(range.start);
      list.add(smaller);
    }
  }
}

describe('range tree', () => {
  for (const [leaf, branch] of [
    [4, 4],
    [5, 6],
    [8, 4],
    [16, 64],
  ] as const) {
    it(`behaves as a list does, with leaves of ${leaf} and branches of ${branch}`, () => {
      fc.assert(
        fc.property(fc.array(step, { maxLength: 600, size: 'max' }), fc.nat(300), (steps, lowest) => {
          const tree = new RangeTree(lowest, { leaf, branch });
          const list = new ListOfRanges(lowest);
          for (const one of steps) take(one, tree, list);
          assert.deepEqual([...tree], list.ranges);
          assert.equal(tree.size, list.ranges.length);
          for (let page = 0; page < PAGES; page += 7) {
            assert.deepEqual(
              tree.atOrAfter(page),
              list.ranges.find(({ last }) => last >= page),
            );
          }
        }),
        { numRuns: 60 },
      );
    });
  }

  it('finds the only aligned fit among 65,535 ranges', () => {
    const tree = new RangeTree();
    const fit = { length: 1, alignment: 512, max: 2 ** 40 };
    for (let index = 0; index < 65_535; index++) tree.add(index * 512 + 1, index * 512 + 511);
    assert.equal(tree.firstFit(fit), undefined);
    tree.resize(40_000 * 512 + 1, 40_000 * 512, 40_000 * 512 + 511);
    assert.equal(tree.firstFit(fit), 40_000 * 512);
    assert.equal(tree.firstFit({ ...fit, max: 40_000 * 512 - 1 }), undefined);
  });

  it('finds a range that has grown over deleted neighbours, although their nodes are gone', () => {
    const count = 64;
    for (let from = 1; from < count; from++) {
      for (let to = from + 1; to <= count; to++) {
        const tree = new RangeTree(0, { leaf: 4, branch: 4 });
        for (let index = 0; index < count; index++) tree.add(index * 10, index * 10 + 4);
        for (let index = from; index < to; index++) tree.delete(index * 10);
        const grown = { start: (from - 1) * 10, last: to * 10 - 1 };
        tree.resize(grown.start, grown.start, grown.last);
        for (let page = grown.start; page <= grown.last; page += 5) {
          assert.deepEqual(tree.overlapping(page, page), grown, `page ${page}, from ${from} to ${to}`);
        }
      }
    }
  });
});
