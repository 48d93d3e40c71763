import assert from 'node:assert/strict';
import { closeSync, existsSync, openSync, readFileSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { linuxKernel } from '../../../lib/kernel/linux/linux.js';
import { addon } from '../../../lib/native/addon.js';

const kernel = linuxKernel();
const NO_SUCH_FD = 9999;

describe('linuxKernel on a machine without VFIO', () => {
  before(function () {
    if (existsSync('/dev/vfio/vfio')) this.skip();
  });

  it('names the missing node', async () => {
    const missing = { name: 'VfioError', code: 'ENOENT', errno: 2, syscall: 'open' };
    await assert.rejects(kernel.openContainer(), { ...missing, path: '/dev/vfio/vfio' });
    await assert.rejects(kernel.openGroup('26'), { ...missing, path: '/dev/vfio/26' });
    await assert.rejects(kernel.openCdev('vfio0'), { ...missing, path: '/dev/vfio/devices/vfio0' });
  });
});

describe('linuxKernel on files that are not VFIO files', () => {
  let path: string;
  let file: number;
  beforeEach(() => {
    path = join(tmpdir(), `vfio-engine-linux-${process.pid}`);
    writeFileSync(path, 'abcdef');
    file = openSync(path, 'r+');
  });
  afterEach(() => {
    if (addon.isOpenFd(file)) closeSync(file);
    unlinkSync(path);
  });

  it('rejects a name that leads out of the directory', () => {
    assert.throws(() => void kernel.openGroup('../null'), { code: 'ERR_OUT_OF_RANGE' });
    assert.throws(() => void kernel.openGroup('26\0'), { code: 'ERR_OUT_OF_RANGE' });
    assert.throws(() => void kernel.openCdev('../vfio'), { code: 'ERR_OUT_OF_RANGE' });
  });

  /** Every call, each on a file that knows none of them: the errno and the name must come from that call. */
  const calls: Record<string, (fd: number) => unknown> = {
    VFIO_GET_API_VERSION: (fd) => kernel.getApiVersion(fd),
    VFIO_CHECK_EXTENSION: (fd) => kernel.checkExtension(fd, 1),
    VFIO_SET_IOMMU: (fd) => kernel.setIommu(fd, 3),
    VFIO_IOMMU_GET_INFO: (fd) => kernel.getIommuInfo(fd),
    VFIO_IOMMU_MAP_DMA: (fd) => kernel.mapDma(fd, { flags: 3, vaddr: 0n, iova: 0n, size: 4096n }),
    VFIO_IOMMU_UNMAP_DMA: (fd) => kernel.unmapDma(fd, { flags: 0, iova: 0n, size: 4096n }),
    VFIO_IOMMU_DIRTY_PAGES: (fd) => kernel.setDirtyTracking(fd, true),
    VFIO_GROUP_GET_STATUS: (fd) => kernel.getGroupStatus(fd),
    VFIO_GROUP_SET_CONTAINER: (fd) => kernel.setContainer(fd, 0),
    VFIO_GROUP_UNSET_CONTAINER: (fd) => kernel.unsetContainer(fd),
    VFIO_GROUP_GET_DEVICE_FD: (fd) => kernel.getDeviceFd(fd, '0000:01:00.0'),
    VFIO_DEVICE_GET_INFO: (fd) => kernel.getDeviceInfo(fd),
    VFIO_DEVICE_GET_REGION_INFO: (fd) => kernel.getRegionInfo(fd, 0),
    VFIO_DEVICE_GET_IRQ_INFO: (fd) => kernel.getIrqInfo(fd, 0),
    VFIO_DEVICE_SET_IRQS: (fd) => kernel.setIrqs(fd, { flags: 0x24, index: 1, start: 0, count: 1, eventfds: [-1] }),
    VFIO_DEVICE_RESET: (fd) => kernel.resetDevice(fd),
    VFIO_DEVICE_IOEVENTFD: (fd) => kernel.setIoeventfd(fd, { fileOffset: 0n, width: 4, data: 1n, eventfd: -1 }),
    VFIO_DEVICE_GET_PCI_HOT_RESET_INFO: (fd) => kernel.getHotResetInfo(fd),
    VFIO_DEVICE_PCI_HOT_RESET: (fd) => kernel.hotReset(fd, [1, 2]),
    VFIO_DEVICE_FEATURE: (fd) => kernel.getFeature(fd, 0, new Uint8Array(16)),
    VFIO_DEVICE_BIND_IOMMUFD: (fd) => kernel.bindIommufd(fd, 0),
    VFIO_DEVICE_ATTACH_IOMMUFD_PT: (fd) => kernel.attachIommufdPt(fd, 1),
    VFIO_DEVICE_DETACH_IOMMUFD_PT: (fd) => kernel.detachIommufdPt(fd),
    IOMMU_DESTROY: (fd) => kernel.destroy(fd, 1),
    IOMMU_IOAS_ALLOC: (fd) => kernel.allocIoas(fd),
    IOMMU_IOAS_IOVA_RANGES: (fd) => kernel.getIovaRanges(fd, 1),
    IOMMU_IOAS_ALLOW_IOVAS: (fd) => kernel.allowIovas(fd, 1, [{ start: 0n, last: 4095n }]),
    IOMMU_IOAS_MAP: (fd) => kernel.mapIoas(fd, { ioasId: 1, flags: 7, vaddr: 0n, iova: 0n, size: 4096n }),
    IOMMU_IOAS_MAP_FILE: (fd) =>
      kernel.mapIoasFile(fd, { ioasId: 1, flags: 7, file: 0, start: 0n, iova: 0n, size: 4096n }),
    IOMMU_IOAS_UNMAP: (fd) => kernel.unmapIoas(fd, 1, 0n, 4096n),
    IOMMU_IOAS_COPY: (fd) =>
      kernel.copyIoas(fd, { flags: 7, toIoasId: 1, fromIoasId: 2, toIova: 0n, fromIova: 0n, size: 4096n }),
    IOMMU_OPTION: (fd) => kernel.getOption(fd, 1, 1),
    IOMMU_HWPT_ALLOC: (fd) => kernel.allocHwpt(fd, 0, 1, 1),
    IOMMU_HWPT_SET_DIRTY_TRACKING: (fd) => kernel.setHwptDirtyTracking(fd, 1, true),
    IOMMU_HWPT_GET_DIRTY_BITMAP: (fd) => kernel.getHwptDirtyBitmap(fd, 1, { iova: 0n, size: 8192n, pageSize: 4096n }),
    IOMMU_GET_HW_INFO: (fd) => kernel.getHwInfo(fd, 1),
  };

  for (const [name, call] of Object.entries(calls)) {
    it(`answers ${name} as the kernel does`, async () => {
      const syscall = `ioctl(${name})`;
      const run = (fd: number): Promise<unknown> => Promise.resolve(fd).then(call);
      await assert.rejects(run(file), { name: 'VfioError', code: 'ENOTTY', errno: 25, syscall });
      await assert.rejects(run(NO_SUCH_FD), { name: 'VfioError', code: 'EBADF', errno: 9, syscall });
    });
  }

  it('names the device that could not be opened', async () => {
    await assert.rejects(kernel.getDeviceFd(file, '0000:01:00.0'), { device: '0000:01:00.0' });
  });

  it('reads and writes at an offset, and fewer bytes at the end of the file', async () => {
    assert.equal(await kernel.pwrite(file, 2n, Buffer.from('XY')), 2);
    assert.equal(readFileSync(path, 'latin1'), 'abXYef');
    assert.deepEqual(Buffer.from(await kernel.pread(file, 4n, 8)).toString(), 'ef');
    assert.equal((await kernel.pread(file, 100n, 4)).length, 0);
    await assert.rejects(kernel.pread(file, -1n, 4), { code: 'EINVAL', syscall: 'pread' });
    await assert.rejects(kernel.pwrite(file, 0xffff_ffff_ffff_ffffn, new Uint8Array(1)), { code: 'EINVAL' });
  });

  it('maps, closes, and returns the I/O target of a device', async () => {
    const mapping = await kernel.mmap(file, 0n, 6, { read: true, write: false });
    assert.equal(Buffer.from(addon.mappingView(mapping)).toString(), 'abcdef');
    addon.mappingClose(mapping);
    await assert.rejects(kernel.mmap(file, 0n, 0, { read: true, write: true }), { code: 'EINVAL', syscall: 'mmap' });
    assert.deepEqual(kernel.ioTarget(file), { kind: 'fd', fd: file });
    await kernel.close(file);
    await assert.rejects(kernel.close(file), { code: 'EBADF' });
  });

  it('queries all regions and interrupts, and fails with the first error', () => {
    const infos = (numRegions: number, numIrqs: number): unknown =>
      kernel.getDeviceInfos?.(file, { flags: 0, numRegions, numIrqs });
    assert.throws(() => infos(1, 0), { code: 'ENOTTY', syscall: 'ioctl(VFIO_DEVICE_GET_REGION_INFO)' });
    assert.throws(() => infos(0, 1), { code: 'ENOTTY', syscall: 'ioctl(VFIO_DEVICE_GET_IRQ_INFO)' });
    assert.deepEqual(infos(0, 0), { regions: [], irqs: [] });
    assert.throws(() => infos(2 ** 20, 0), { code: 'ERR_OUT_OF_RANGE' });
  });

  it('reads small files on the calling thread', () => {
    assert.equal(Buffer.from(addon.sysfsRead(path)).toString(), 'abcdef');
    assert.equal(addon.sysfsExists(path), true);
    assert.equal(addon.sysfsExists(`${path}-not`), false);
    assert.throws(() => addon.sysfsRead(`${path}-not`), { code: 'ENOENT', syscall: 'open' });
    assert.throws(() => addon.sysfsRead('/dev/zero'), { code: 'EFBIG', syscall: 'read' });
    assert.throws(() => addon.sysfsReadlink(path), { code: 'EINVAL', syscall: 'readlink' });
    assert.equal(addon.sysfsReadlink('/proc/self/exe'), process.execPath);
  });

  it('rejects invalid arguments before any system call', () => {
    assert.throws(() => kernel.getRegionInfo(file, -1), { code: 'ERR_OUT_OF_RANGE' });
    assert.throws(() => kernel.getRegionInfo(file, 0, 2 ** 20 + 1), { code: 'ERR_OUT_OF_RANGE' });
    assert.throws(() => addon.ioasMap(file, 1, 7, -1n, 0n, 1n, true), { code: 'ERR_OUT_OF_RANGE' });
    assert.throws(() => addon.deviceSetIrqs(file, undefined, 0, 0, 0, 0, [] as never, true), {
      code: 'ERR_INVALID_ARGUMENT',
    });
    assert.throws(() => addon.groupGetStatus('0' as never), { code: 'ERR_INVALID_ARGUMENT' });
  });

  it('rejects bitmaps larger than the limit of type1, as the kernel does', async () => {
    const range = { iova: 0n, size: 1n << 60n, pageSize: 4096n };
    await assert.rejects(kernel.getDirtyBitmap(file, range), {
      code: 'EINVAL',
      syscall: 'ioctl(VFIO_IOMMU_DIRTY_PAGES)',
    });
  });

  it('tells a missing feature from a failed call', () => {
    assert.equal(kernel.hasFeature(file, 5), false);
    assert.throws(() => kernel.hasFeature(NO_SUCH_FD, 5), { code: 'EBADF' });
  });
});
