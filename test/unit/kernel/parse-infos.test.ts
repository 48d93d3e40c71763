import assert from 'node:assert/strict';

import fc from 'fast-check';

import { VfioError } from '../../../lib/base/errors.js';
import { parseIommuInfo, parseRegionInfo, wantedArgsz } from '../../../lib/kernel/linux/parse-infos.js';

/** Little-endian bytes of numbers (32 bits) and bigints (64 bits). */
function bytes(...words: (number | bigint)[]): Uint8Array {
  const parts = words.map((word) =>
    typeof word === 'bigint'
      ? new Uint8Array(BigUint64Array.of(word).buffer)
      : new Uint8Array(Uint32Array.of(word).buffer),
  );
  return new Uint8Array(Buffer.concat(parts));
}

/** A capability's header: id, version 1, the next one's offset. */
const header = (id: number, next: number): number[] => [id | (1 << 16), next];

describe('parseRegionInfo: struct vfio_region_info', () => {
  it('decodes a region without capabilities', () => {
    const info = parseRegionInfo(bytes(32, 7, 2, 0, 0x1000n, 0x200_0000_0000n));
    assert.deepEqual(info, { index: 2, flags: 7, size: 0x1000n, offset: 0x200_0000_0000n, capabilities: {} });
  });

  it('decodes every capability in any order, and skips unknown ones', () => {
    const chained = bytes(
      ...[120, 15, 0, 32, 0x4000n, 0n],
      ...[...header(1, 80), 2, 0, 0n, 0x1000n, 0x3000n, 0x1000n],
      ...[...header(3, 88)],
      ...[...header(99, 96)],
      ...[...header(2, 0), 0x8000_0000, 1],
    );
    assert.deepEqual(parseRegionInfo(chained).capabilities, {
      sparseMmap: [
        { offset: 0n, size: 0x1000n },
        { offset: 0x3000n, size: 0x1000n },
      ],
      msixMappable: true,
      type: { type: 0x8000_0000, subtype: 1 },
    });
  });

  it('decodes a first answer that had no room for the capabilities', () => {
    const cut = bytes(40, 15, 0, 0, 0x4000n, 0n);
    assert.equal(wantedArgsz(cut), 40);
    assert.deepEqual(parseRegionInfo(cut).capabilities, {});
  });

  it('rejects chains that loop, go backwards, leave the answer or are cut off', () => {
    const region = (capOffset: number, ...capabilities: (number | bigint)[]): Uint8Array =>
      bytes(32, 15, 0, capOffset, 0x4000n, 0n, ...capabilities);
    const wrong = {
      'into the structure': region(8),
      'past the end': region(32),
      'far past the end': region(0xffff_fff8),
      loops: region(32, ...header(3, 32)),
      backwards: region(40, ...header(3, 0), ...header(3, 32)),
      'cut header': region(36, ...header(3, 0)),
      'more areas than there is room': region(32, ...header(1, 0), 0xffff_ffff, 0),
      'no room for a type': region(32, ...header(2, 0), 1),
    };
    for (const [what, answer] of Object.entries(wrong)) {
      assert.throws(() => parseRegionInfo(answer), { code: 'ERR_PROTOCOL' }, what);
    }
  });

  it('returns a result or throws ERR_PROTOCOL for any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 24, maxLength: 160 }), fc.nat(160), (answer, capOffset) => {
        const view = new DataView(answer.buffer, answer.byteOffset, answer.byteLength);
        view.setUint32(4, 0xf, true);
        for (const [parse, at] of [[parseIommuInfo, 16] as const, [parseRegionInfo, 12] as const]) {
          if (parse === parseRegionInfo && answer.length < 32) continue;
          view.setUint32(at, capOffset, true);
          try {
            parse(answer);
          } catch (error) {
            assert.ok(error instanceof VfioError && error.code === 'ERR_PROTOCOL', String(error));
          }
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe('parseIommuInfo: struct vfio_iommu_type1_info', () => {
  it('decodes the answer of Linux 6.12', () => {
    const answer = bytes(
      ...[120, 3, 0x4020_1000n, 24, 0],
      ...[...header(2, 56), 1, 0, 0x1000n, 0x1000_0000n],
      ...[...header(3, 72), 65535, 0],
      ...[...header(1, 0), 2, 0, 0n, 0xfedf_ffffn, 0xfef0_0000n, 0xffff_ffff_ffffn],
    );
    assert.equal(answer.length, 120);
    assert.deepEqual(parseIommuInfo(answer), {
      argsz: 120,
      flags: 3,
      pageSizes: 0x4020_1000n,
      migration: { flags: 1, pageSizes: 0x1000n, maxDirtyBitmapSize: 0x1000_0000n },
      dmaAvailable: 65535,
      iovaRanges: [
        { start: 0n, last: 0xfedf_ffffn },
        { start: 0xfef0_0000n, last: 0xffff_ffff_ffffn },
      ],
    });
  });

  it('decodes an IOMMU without capabilities', () => {
    assert.deepEqual(parseIommuInfo(bytes(24, 1, 0x1000n, 0, 0)), { argsz: 24, flags: 1, pageSizes: 0x1000n });
  });
});
