import assert from 'node:assert/strict';

import fc from 'fast-check';

import type { RegionCapabilities, RegionInfo } from '../../../lib/kernel/kernel.js';
import { planAreas, type PlannedArea } from '../../../lib/region/plan.js';

const PAGE = 4096;

function region(size: number, capabilities: RegionCapabilities = {}, flags = 7): RegionInfo {
  return { index: 0, flags, size: BigInt(size), offset: 0n, capabilities };
}

function sparse(...areas: [offset: number, size: number][]): RegionCapabilities {
  return { sparseMmap: areas.map(([offset, size]) => ({ offset: BigInt(offset), size: BigInt(size) })) };
}

describe('the mapped areas of a region', () => {
  const table: [what: string, info: RegionInfo, msix: PlannedArea | undefined, areas: [number, number][]][] = [
    ['nothing without the MMAP flag', region(8192, {}, 3), undefined, []],
    ['all of the region', region(8192), undefined, [[0, 8192]]],
    ['a region smaller than a page', region(256), undefined, [[0, 256]]],
    [
      'the sparse areas',
      region(65536, sparse([4096, 8192], [32768, 4096])),
      undefined,
      [
        [4096, 8192],
        [32768, 4096],
      ],
    ],
    ['whole pages of a sparse area', region(65536, sparse([100, 8192])), undefined, [[4096, 4096]]],
    ['no sparse area without a whole page', region(65536, sparse([100, 200])), undefined, []],
    ['nothing for an empty list of areas', region(65536, sparse()), undefined, []],
    [
      'everything but the pages of the MSI-X table',
      region(16384),
      { offset: 8192, size: 1024 },
      [
        [0, 8192],
        [12288, 4096],
      ],
    ],
    ['everything after a table at the start', region(16384), { offset: 0, size: 5000 }, [[8192, 8192]]],
    ['nothing of a region that the table fills', region(4096), { offset: 0, size: 1024 }, []],
    [
      'the table too, if the kernel allows it',
      region(16384, { msixMappable: true }),
      { offset: 0, size: 64 },
      [[0, 16384]],
    ],
  ];
  for (const [what, info, msix, areas] of table) {
    it(`are ${what}`, () => {
      assert.deepEqual(
        planAreas(info, PAGE, { msixTable: msix }),
        areas.map(([offset, size]) => ({ offset, size })),
      );
    });
  }

  it('are ascending, inside of the region and without overlap, for any areas of the kernel', () => {
    const size = fc.integer({ min: 1, max: 1 << 20 });
    const area = fc.tuple(fc.nat(1 << 20), fc.integer({ min: 1, max: 1 << 20 }));
    fc.assert(
      fc.property(size, fc.array(area, { maxLength: 6 }), (bytes, areas) => {
        const inside = areas.filter(([offset, length]) => offset + length <= bytes);
        let end = 0;
        for (const planned of planAreas(region(bytes, sparse(...inside)), PAGE)) {
          assert.ok(planned.offset >= end && planned.size > 0 && planned.offset % PAGE === 0);
          end = planned.offset + planned.size;
        }
        assert.ok(end <= bytes);
      }),
    );
  });
});
