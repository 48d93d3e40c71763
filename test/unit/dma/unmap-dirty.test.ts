import assert from 'node:assert/strict';

import type { DmaLimits, DmaTarget } from '../../../lib/backends/dma-target.js';
import { locateMemory } from '../../../lib/dma/memory/located-memory.js';
import { mapRequest } from '../../../lib/dma/space/map-request.js';
import type { MappingRecord } from '../../../lib/dma/space/mapping-table.js';
import { SpaceMappings } from '../../../lib/dma/space/space-mappings.js';
import { systemError } from '../../../lib/base/errors.js';

const LIMITS: DmaLimits = {
  ranges: [{ start: 0n, last: 0xffff_ffffn }],
  reserved: [],
  pageSizes: 4096n,
  entriesLeft: undefined,
  entryLimit: undefined,
  dirtyPageSizes: 4096n,
};

/** An IOMMU object that reports one written page, once; it can fail to unmap. */
class Target implements DmaTarget {
  refuses = false;
  mapped = false;

  constructor(private readonly page: number) {}

  queryLimits = (): Promise<DmaLimits> => Promise.resolve(LIMITS);
  queryReserved = (): Promise<[]> => Promise.resolve([]);
  queryLocked = (): Promise<never> => Promise.reject(new Error('nobody asks'));
  setDirtyTracking = (): Promise<void> => Promise.resolve();
  takeDirty = (): Promise<Uint8Array> => Promise.resolve(new Uint8Array(1));

  map(): Promise<void> {
    this.mapped = true;
    return Promise.resolve();
  }

  unmap({ size }: { size: bigint }): Promise<bigint> {
    this.mapped = false;
    return Promise.resolve(size);
  }

  unmapDirty(): Promise<Uint8Array> {
    if (this.refuses) return Promise.reject(systemError('EIO', 'ioctl(VFIO_IOMMU_UNMAP_DMA)'));
    assert.ok(this.mapped, 'a second time');
    this.mapped = false;
    return Promise.resolve(Uint8Array.of(1 << this.page));
  }
}

describe('unmapping from two IOMMU objects with dirty tracking', () => {
  const [first, second] = [new Target(1), new Target(6)];
  let space: SpaceMappings;
  let record: MappingRecord;

  beforeEach(async () => {
    space = new SpaceMappings();
    for (const target of [first, second]) await space.addTarget(target);
    await space.setDirtyTracking(true);
    const memory = locateMemory(new SharedArrayBuffer(8 * 4096), true);
    record = await space.map(mapRequest({ ...memory, vaddr: 0x10000n, size: 8n * 4096n }, {}));
  });

  it('joins the pages that both report', async () => {
    assert.deepEqual(await space.unmapDirty(record, 4096n), Uint8Array.of(0b0100_0010));
    assert.deepEqual([space.mappingCount, record.ended], [0, true]);
  });

  it('keeps the pages that the first reported for the next call if the second fails', async () => {
    second.refuses = true;
    await assert.rejects(space.unmapDirty(record, 4096n), { code: 'EIO' });
    assert.deepEqual([first.mapped, second.mapped, record.ended], [false, true, false]);
    second.refuses = false;
    assert.deepEqual(await space.unmapDirty(record, 4096n), Uint8Array.of(0b0100_0010));
    assert.equal(record.ended, true);
  });

  it('can be called with another page size after a failure without pages', async () => {
    first.refuses = true;
    await assert.rejects(space.unmapDirty(record, 8192n), { code: 'EIO' });
    first.refuses = false;
    await assert.rejects(space.unmapDirty(record, 1n), { code: 'ERR_INVALID_ARGUMENT' });
    assert.deepEqual(await space.unmapDirty(record, 4096n), Uint8Array.of(0b0100_0010));
  });

  it('drops the pages of a failed call if the memory is then unmapped without asking', async () => {
    second.refuses = true;
    await assert.rejects(space.unmapDirty(record, 4096n), { code: 'EIO' });
    second.refuses = false;
    await space.unmap(record);
    assert.deepEqual(
      await space.takeDirty({ iova: record.iova, size: record.size, pageSize: 4096n }),
      new Uint8Array(1),
    );
  });
});
