import assert from 'node:assert/strict';
import type { IoasMap, IommufdKernel } from '../../lib/kernel/iommufd.js';
import type { Fd, VfioKernel } from '../../lib/kernel/kernel.js';
import { addon } from '../../lib/native/addon.js';
import {
  IOMMU_HW_CAP_DIRTY_TRACKING,
  IOMMU_HW_INFO_TYPE_INTEL_VTD,
  IOMMU_HWPT_ALLOC_DIRTY_TRACKING,
  IOMMU_IOAS_MAP_FIXED_IOVA,
  IOMMU_IOAS_MAP_READABLE,
  IOMMU_IOAS_MAP_WRITEABLE,
  IOMMU_OPTION_HUGE_PAGES,
} from '../../lib/uapi/iommufd.js';
import { answers } from '../guest/support/answer-rows.js';
import { allocateShared } from '../support/allocate-shared.js';

const PAGE = 4096n;
const ALL = (1n << 64n) - 1n;
const FIXED_RW = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE;

/** An edu of a kernel, which nothing uses. */
export interface IommufdSubject {
  readonly kernel: VfioKernel & IommufdKernel;
  /** The name of the group's node. */
  readonly group: string;
  /** The name of the device's own node. */
  readonly cdev: string;
  /** The kind of the IOMMU, IOMMU_HW_INFO_TYPE_*. */
  readonly hwInfoType: number;
  /** Whether the IOMMU can track the pages that devices write. */
  readonly dirtyTracking: boolean;
}

/**
 * The kernel's answers to the calls of device nodes and iommufds, in the order in which they were recorded on Linux 6.12.
 * @param open called before the first call
 */
export function describeIommufdAnswers(
  name: string,
  open: () => Promise<IommufdSubject>,
  close: () => Promise<void>,
): void {
  describe(`the answers of ${name}: device nodes and iommufd`, () => {
    const memory = allocateShared(65536);
    const vaddr = addon.bufferAddress(memory, 0);
    let subject: IommufdSubject;
    let kernel: VfioKernel & IommufdKernel;
    let iommufd: Fd;
    let device: Fd = -1;
    let deviceId = 0;
    let ioasId = 0;
    let secondIoasId = 0;

    const map = (change: Partial<IoasMap> = {}): Promise<bigint> =>
      kernel.mapIoas(iommufd, { ioasId, flags: FIXED_RW, vaddr, iova: 0x10000n, size: 4n * PAGE, ...change });
    const unmap = (iova: bigint, size: bigint): Promise<bigint> => kernel.unmapIoas(iommufd, ioasId, iova, size);

    before(async () => {
      subject = await open();
      ({ kernel } = subject);
      iommufd = await kernel.openIommufd();
      device = await kernel.openCdev(subject.cdev);
    });
    after(async () => {
      // An address alone keeps no buffer alive; this use of it does.
      assert.equal(addon.bufferAddress(memory, 0), vaddr);
      for (const fd of [device, iommufd]) if (addon.isOpenFd(fd)) await kernel.close(fd);
      await close();
    });

    // Not grouped further: a suite runs its own tests before those of suites within it.
    answers([
      ['DEVICE_GET_INFO, not bound', 'EINVAL', () => kernel.getDeviceInfo(device).flags],
      ['pread, not bound', 'EINVAL', () => kernel.pread(device, 7n << 40n, 4).then(String)],
      ['mmap, not bound', 'EINVAL', () => kernel.mmap(device, 0n, 4096, { read: true, write: true })],
      ['ATTACH_IOMMUFD_PT, not bound', 'EINVAL', () => kernel.attachIommufdPt(device, 1)],
      ['BIND iommufd=-1', 'EINVAL', () => kernel.bindIommufd(device, -1)],
      ['BIND iommufd=9999', 'EBADF', () => kernel.bindIommufd(device, 9999)],
      ['BIND iommufd=its own', 'EBADFD', () => kernel.bindIommufd(device, device)],
      [
        'BIND while its group is open',
        'EBUSY',
        async () => {
          const group = await kernel.openGroup(subject.group);
          return kernel.bindIommufd(device, iommufd).finally(() => kernel.close(group));
        },
      ],
    ]);

    it('binds a device once, which then answers', async () => {
      deviceId = await kernel.bindIommufd(device, iommufd);
      assert.ok(deviceId > 0);
      await assert.rejects(kernel.bindIommufd(device, iommufd), { code: 'EINVAL' });
      await assert.rejects(kernel.openGroup(subject.group), { code: 'EBUSY' });
      assert.equal(kernel.getDeviceInfo(device).numRegions, 9);
      assert.equal((await kernel.pread(device, 7n << 40n, 4)).length, 4);
      await kernel.detachIommufdPt(device);
      await assert.rejects(kernel.attachIommufdPt(device, deviceId), { code: 'EINVAL' });
    });

    it('attaches to an IOAS, moves to another and back', async () => {
      ioasId = kernel.allocIoas(iommufd);
      secondIoasId = kernel.allocIoas(iommufd);
      assert.equal(await map(), 0x10000n);
      const hwptId = await kernel.attachIommufdPt(device, ioasId);
      assert.ok(hwptId > ioasId);
      assert.equal(await kernel.attachIommufdPt(device, ioasId), hwptId);
      await kernel.attachIommufdPt(device, secondIoasId);
      await kernel.attachIommufdPt(device, ioasId);
      const { ranges, iovaAlignment } = kernel.getIovaRanges(iommufd, ioasId);
      assert.equal(iovaAlignment, PAGE);
      assert.deepEqual(ranges[0], { start: 0n, last: 0xfedfffffn });
      assert.equal(ranges.length, 2);
    });

    answers([
      ['MAP over it', 'EEXIST', () => map()],
      ['MAP without READ and WRITE', 'EINVAL', () => map({ iova: 0x50000n, flags: 1 })],
      ['MAP WRITE only', '0x60000', () => map({ iova: 0x60000n, flags: 3 })],
      ['MAP unknown flag', 'EOPNOTSUPP', () => map({ iova: 0x50000n, flags: 0x87 })],
      ['MAP length=0', 'EINVAL', () => map({ iova: 0x50000n, size: 0n })],
      ['MAP length=100', 'EINVAL', () => map({ iova: 0x50000n, size: 100n })],
      ['MAP user_va+1', 'EINVAL', () => map({ iova: 0x50000n, vaddr: vaddr + 1n })],
      ['MAP user_va=0', 'EFAULT', () => map({ iova: 0x50000n, vaddr: 0n })],
      ['MAP where the kernel chooses', '0x1000', () => map({ flags: 6, size: PAGE })],
      ['UNMAP the first 4 KiB of 16', 'ENOENT', () => unmap(0x10000n, PAGE)],
      ['UNMAP nothing', 'ENOENT', () => unmap(0x50000n, PAGE)],
      ['UNMAP length=0', 'EINVAL', () => unmap(0x10000n, 0n)],
      ['UNMAP larger than the area', '0x4000', () => unmap(0x10000n, 0x40000n)],
      ['UNMAP all', '0x5000', () => unmap(0n, ALL)],
      ['UNMAP all of nothing', '0', () => unmap(0n, ALL)],
      [
        'MAP_FILE, which Linux 6.12 has not',
        'ENOTTY',
        () => kernel.mapIoasFile(iommufd, { ioasId, flags: 7, file: 0, start: 0n, iova: 0n, size: PAGE }),
      ],
    ]);

    it('copies a mapping to another IOAS', async () => {
      await map({ size: PAGE });
      const copy = { flags: FIXED_RW, toIoasId: secondIoasId, fromIoasId: ioasId, fromIova: 0x10000n, size: PAGE };
      assert.equal(await kernel.copyIoas(iommufd, { ...copy, toIova: 0x30000n }), 0x30000n);
      assert.equal(await kernel.unmapIoas(iommufd, secondIoasId, 0x30000n, PAGE), PAGE);
      await assert.rejects(kernel.copyIoas(iommufd, { ...copy, fromIova: 0x20000n, toIova: 0n }), { code: 'ENOENT' });
      assert.equal(await unmap(0x10000n, PAGE), PAGE);
    });

    it('returns the kind of the IOMMU and its options', () => {
      const info = kernel.getHwInfo(iommufd, deviceId);
      assert.equal(info.type, subject.hwInfoType);
      assert.ok(info.data.length >= (info.type === IOMMU_HW_INFO_TYPE_INTEL_VTD ? 24 : 0));
      assert.equal((info.capabilities & IOMMU_HW_CAP_DIRTY_TRACKING) !== 0n, subject.dirtyTracking);
      const fresh = kernel.allocIoas(iommufd);
      assert.equal(kernel.getOption(iommufd, IOMMU_OPTION_HUGE_PAGES, fresh), 1n);
      kernel.setOption(iommufd, IOMMU_OPTION_HUGE_PAGES, fresh, 0n);
      assert.equal(kernel.getOption(iommufd, IOMMU_OPTION_HUGE_PAGES, fresh), 0n);
      assert.throws(() => kernel.setOption(iommufd, IOMMU_OPTION_HUGE_PAGES, fresh, 2n), { code: 'EINVAL' });
      assert.throws(() => kernel.getOption(iommufd, 99, ioasId), { code: 'EOPNOTSUPP' });
    });

    it('keeps the allowed ranges', () => {
      const fresh = kernel.allocIoas(iommufd);
      const allowed = [{ start: 0x100000n, last: 0x1fffffn }];
      kernel.allowIovas(iommufd, fresh, allowed);
      assert.deepEqual(kernel.getIovaRanges(iommufd, fresh).ranges, [{ start: 0n, last: ALL }]);
      assert.throws(() => kernel.allowIovas(iommufd, 999, allowed), { code: 'ENOENT' });
    });

    it('allocates a hardware page table, without dirty tracking if the IOMMU has none', async () => {
      const hwptId = await kernel.allocHwpt(iommufd, 0, deviceId, ioasId);
      await assert.rejects(kernel.setHwptDirtyTracking(iommufd, hwptId, true), { code: 'EOPNOTSUPP' });
      const range = { iova: 0n, size: 16n * PAGE, pageSize: PAGE };
      await assert.rejects(kernel.getHwptDirtyBitmap(iommufd, hwptId, range), { code: 'EOPNOTSUPP' });
      await kernel.destroy(iommufd, hwptId);
      await assert.rejects(kernel.destroy(iommufd, hwptId), { code: 'ENOENT' });
      const tracking = kernel.allocHwpt(iommufd, IOMMU_HWPT_ALLOC_DIRTY_TRACKING, deviceId, ioasId);
      if (subject.dirtyTracking) await kernel.destroy(iommufd, await tracking);
      else await assert.rejects(tracking, { code: 'EOPNOTSUPP' });
    });

    it('detaches and frees', async () => {
      await assert.rejects(kernel.destroy(iommufd, deviceId), { code: 'EBUSY' });
      await kernel.detachIommufdPt(device);
      await kernel.destroy(iommufd, ioasId);
      await kernel.destroy(iommufd, secondIoasId);
      await assert.rejects(kernel.destroy(iommufd, 999), { code: 'ENOENT' });
      await kernel.close(iommufd);
      assert.equal((await kernel.pread(device, 7n << 40n, 4)).length, 4);
    });
  });
}
