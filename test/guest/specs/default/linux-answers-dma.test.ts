import assert from 'node:assert/strict';
import type { DmaMap, DmaUnmap } from '../../../../lib/kernel/kernel.js';
import { addon } from '../../../../lib/native/addon.js';
import { BDF } from '../../devices.js';
import { answers } from '../../support/answer-rows.js';
import { RealDevice } from '../../support/real-device.js';
import { allocateShared } from '../../../support/allocate-shared.js';

const PAGE = 4096n;
const TOP = (1n << 64n) - PAGE;

/** The kernel's answers to the calls of type1 (v2), in the order in which they were recorded. */
describe('the answers of the real kernel: DMA mapping', () => {
  const edu = new RealDevice(BDF.edu);
  const memory = allocateShared(65536);
  const vaddr = addon.bufferAddress(memory, 0);

  before(() => edu.openDevice());
  after(async () => {
    await edu.close();
    // An address alone keeps no buffer alive; this use of it does.
    assert.equal(addon.bufferAddress(memory, 0), vaddr);
  });

  const map = (change: Partial<DmaMap> = {}): Promise<void> =>
    edu.kernel.mapDma(edu.container, { flags: 3, vaddr, iova: 0x10000n, size: 4n * PAGE, ...change });
  const unmap = async (change: Partial<DmaUnmap> = {}): Promise<bigint> =>
    (await edu.kernel.unmapDma(edu.container, { flags: 0, iova: 0x10000n, size: 4n * PAGE, ...change })).size;

  it('returns page sizes, ranges and the number of free mappings for any argsz', () => {
    const short = edu.kernel.getIommuInfo(edu.container, 24);
    assert.deepEqual(short, { flags: 3, pageSizes: 0x40201000n, argsz: 120 });
    const whole = edu.kernel.getIommuInfo(edu.container, 4096);
    assert.equal(whole.argsz, 4096);
    assert.deepEqual(edu.kernel.getIommuInfo(edu.container), { ...whole, argsz: 120 });
    assert.equal(whole.dmaAvailable, 65535);
    assert.deepEqual(whole.iovaRanges, [
      { start: 0n, last: 0xfedfffffn },
      { start: 0xfef00000n, last: 0xffffffffffffn },
    ]);
    assert.equal(whole.migration?.pageSizes, PAGE);
  });

  describe('MAP_DMA that fails', () => {
    answers([
      ['argsz=16', 'EINVAL', () => map({ argsz: 16 })],
      ['flags=0', 'EINVAL', () => map({ flags: 0 })],
      ['flags=0x83', 'EINVAL', () => map({ flags: 0x83 })],
      ['flags=VADDR+READ', 'EINVAL', () => map({ flags: 5 })],
      ['flags=VADDR, nothing mapped', 'ENOENT', () => map({ flags: 4 })],
      ['size=0', 'EINVAL', () => map({ size: 0n })],
      ['size=100', 'EINVAL', () => map({ size: 100n })],
      ['iova=0x800', 'EINVAL', () => map({ iova: 0x800n })],
      ['vaddr+1', 'EINVAL', () => map({ vaddr: vaddr + 1n })],
      ['the last page of 2^64', 'EINVAL', () => map({ iova: TOP, size: PAGE })],
      ['vaddr wraps', 'EINVAL', () => map({ vaddr: TOP, size: 2n * PAGE })],
      ['iova of the MSI range', 'EINVAL', () => map({ iova: 0xfee00000n })],
      ['iova=2^48', 'EINVAL', () => map({ iova: 1n << 48n })],
      ['vaddr=0', 'EFAULT', () => map({ vaddr: 0n })],
      ['UNMAP_DMA after the failed map', '0', () => unmap()],
    ]);
  });

  describe('MAP_DMA and UNMAP_DMA', () => {
    answers([
      ['map 16 KiB', '0', () => map()],
      ['map the same again', 'EEXIST', () => map()],
      ['map 4 KiB inside', 'EEXIST', () => map({ iova: 0x11000n, size: PAGE })],
      ['map over its end', 'EEXIST', () => map({ iova: 0x13000n })],
      ['map 4 KiB right behind', '0', () => map({ iova: 0x14000n, size: PAGE })],
      ['unmap the first 4 KiB of it', 'EINVAL', () => unmap({ size: PAGE })],
      ['unmap its middle', 'EINVAL', () => unmap({ iova: 0x11000n, size: PAGE })],
      ['unmap one whole and half of the one before', 'EINVAL', () => unmap({ iova: 0x12000n, size: 3n * PAGE })],
      ['unmap the 4 KiB', '0x1000', () => unmap({ iova: 0x14000n, size: PAGE })],
      ['unmap them again', '0', () => unmap({ iova: 0x14000n, size: PAGE })],
      ['unmap argsz=8', 'EINVAL', () => unmap({ argsz: 8 })],
      ['unmap size=0', 'EINVAL', () => unmap({ size: 0n })],
      ['unmap size=100', 'EINVAL', () => unmap({ size: 100n })],
      ['unmap iova unaligned', 'EINVAL', () => unmap({ iova: 0x10001n })],
      ['unmap wraps', 'EINVAL', () => unmap({ iova: TOP, size: 2n * PAGE })],
      ['unmap flags=0x80', 'EINVAL', () => unmap({ flags: 0x80 })],
      ['unmap GET_DIRTY_BITMAP without a bitmap', 'EINVAL', () => unmap({ flags: 1 })],
      ['unmap iova=0 size=2^64-4096', '0x4000', () => unmap({ iova: 0n, size: TOP })],
      ['map at 2^47', '0', () => map({ iova: 1n << 47n })],
      ['unmap ALL, iova=4096', 'EINVAL', () => unmap({ flags: 2, iova: PAGE, size: 0n })],
      ['unmap ALL', '0x4000', () => unmap({ flags: 2, iova: 0n, size: 0n })],
      ['unmap ALL, nothing mapped', '0', () => unmap({ flags: 2, iova: 0n, size: 0n })],
    ]);
  });

  it('records dirty pages and returns the bitmap of a range, or with its unmap', async () => {
    const range = { iova: 0x10000n, size: 16n * PAGE, pageSize: PAGE };
    await map({ size: range.size });
    await assert.rejects(edu.kernel.getDirtyBitmap(edu.container, range), { code: 'EINVAL' });
    await edu.kernel.setDirtyTracking(edu.container, true);
    // Pinned memory that a device may write counts as dirty without a word from the device.
    assert.deepEqual([...(await edu.kernel.getDirtyBitmap(edu.container, range))], [0xff, 0xff, 0, 0, 0, 0, 0, 0]);
    const request = { flags: 1, iova: range.iova, size: range.size, bitmap: { pageSize: PAGE, size: 8n } };
    const result = await edu.kernel.unmapDma(edu.container, request);
    assert.equal(result.size, range.size);
    assert.deepEqual([...(result.bitmap ?? [])], [0xff, 0xff, 0, 0, 0, 0, 0, 0]);
    await edu.kernel.setDirtyTracking(edu.container, false);
  });
});
