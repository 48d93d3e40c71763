import { closeSync, openSync } from 'node:fs';
import type { Fd } from '../../../../lib/kernel/kernel.js';
import { addon } from '../../../../lib/native/addon.js';
import { BDF } from '../../devices.js';
import { answers } from '../../support/answer-rows.js';
import { RealDevice } from '../../support/real-device.js';
import { groupName } from '../../support/sysfs.js';

/** The kernel's answers to the calls of container and group, in the order in which they were recorded. */
describe('the answers of the real kernel: container and group', () => {
  const edu = new RealDevice(BDF.edu);
  const { kernel } = edu;
  const MAP = { flags: 3, vaddr: 0n, iova: 0n, size: 4096n };
  const extra: Fd[] = [];
  const keep = async (opened: Promise<Fd>): Promise<void> => void extra.push(await opened);
  const status = (): number => kernel.getGroupStatus(edu.group).flags;
  const set = (): Promise<void> => kernel.setContainer(edu.group, edu.container);
  const unset = (): Promise<void> => kernel.unsetContainer(edu.group);

  before(() => edu.openGroup());
  after(async () => {
    for (const fd of extra) if (addon.isOpenFd(fd)) await kernel.close(fd);
    await edu.close();
  });

  describe('a container without a group', () => {
    answers([
      ['VFIO_GET_API_VERSION', '0', () => kernel.getApiVersion(edu.container)],
      ['VFIO_CHECK_EXTENSION TYPE1', '1', () => kernel.checkExtension(edu.container, 1)],
      ['VFIO_CHECK_EXTENSION DMA_CC_IOMMU', '0', () => kernel.checkExtension(edu.container, 4)],
      ['VFIO_CHECK_EXTENSION EEH', '0', () => kernel.checkExtension(edu.container, 5)],
      ['VFIO_CHECK_EXTENSION TYPE1_NESTING', '1', () => kernel.checkExtension(edu.container, 6)],
      ['VFIO_CHECK_EXTENSION NOIOMMU', '0', () => kernel.checkExtension(edu.container, 8)],
      ['VFIO_CHECK_EXTENSION UNMAP_ALL', '1', () => kernel.checkExtension(edu.container, 9)],
      ['VFIO_CHECK_EXTENSION UPDATE_VADDR', '0', () => kernel.checkExtension(edu.container, 10)],
      ['VFIO_CHECK_EXTENSION 999', '0', () => kernel.checkExtension(edu.container, 999)],
      ['VFIO_IOMMU_MAP_DMA', 'EINVAL', () => kernel.mapDma(edu.container, MAP)],
      [
        'VFIO_IOMMU_UNMAP_DMA',
        'EINVAL',
        () => kernel.unmapDma(edu.container, { flags: 0, iova: 0n, size: 4096n }).then(({ size }) => size),
      ],
      ['read(container)', 'EINVAL', () => kernel.pread(edu.container, 0n, 4).then(String)],
      ['VFIO_GROUP_GET_STATUS on it', 'EINVAL', () => kernel.getGroupStatus(edu.container).flags],
    ]);
  });

  describe('a group before it has a container', () => {
    answers([
      ['open again', 'EBUSY', () => kernel.openGroup(groupName(BDF.edu))],
      ['GET_STATUS argsz=4', 'EINVAL', () => kernel.getGroupStatus(edu.group, 4).flags],
      ['GET_STATUS argsz=64', '1', () => kernel.getGroupStatus(edu.group, 64).flags],
      ['GET_STATUS', '1', status],
      ['GET_DEVICE_FD', 'EINVAL', () => kernel.getDeviceFd(edu.group, BDF.edu)],
      ['SET_CONTAINER fd 9999', 'EBADF', () => kernel.setContainer(edu.group, 9999)],
      [
        'SET_CONTAINER a regular file',
        'EBADFD',
        () => {
          const file = openSync('/etc/hostname', 'r');
          return kernel.setContainer(edu.group, file).finally(() => closeSync(file));
        },
      ],
      ['SET_CONTAINER its own fd', 'EBADFD', () => kernel.setContainer(edu.group, edu.group)],
      ['UNSET_CONTAINER', 'EINVAL', unset],
    ]);
  });

  describe('a group in a container', () => {
    answers([
      ['SET_CONTAINER', '0', set],
      ['GET_STATUS', '3', status],
      ['SET_CONTAINER again', 'EINVAL', set],
      ['GET_DEVICE_FD before SET_IOMMU', 'EINVAL', () => kernel.getDeviceFd(edu.group, BDF.edu)],
      ['GET_DEVICE_FD wrong name before SET_IOMMU', 'ENODEV', () => kernel.getDeviceFd(edu.group, 'nope')],
      ['MAP_DMA before SET_IOMMU', 'EINVAL', () => kernel.mapDma(edu.container, MAP)],
      ['SET_IOMMU NOIOMMU', 'ENODEV', () => kernel.setIommu(edu.container, 8)],
      ['SET_IOMMU SPAPR', 'ENODEV', () => kernel.setIommu(edu.container, 2)],
      ['SET_IOMMU UNMAP_ALL, an extension', 'EINVAL', () => kernel.setIommu(edu.container, 9)],
      ['UNSET_CONTAINER', '0', unset],
      ['UNSET_CONTAINER again', 'EINVAL', unset],
      ['SET_CONTAINER once more', '0', set],
      ['SET_IOMMU TYPE1v2', '0', () => kernel.setIommu(edu.container, 3)],
      ['SET_IOMMU TYPE1v2 again', 'EINVAL', () => kernel.setIommu(edu.container, 3)],
      ['SET_IOMMU TYPE1', 'EINVAL', () => kernel.setIommu(edu.container, 1)],
    ]);
  });

  describe('the devices of a group', () => {
    answers([
      ['GET_DEVICE_FD ""', 'ENODEV', () => kernel.getDeviceFd(edu.group, '')],
      ['GET_DEVICE_FD without its domain', 'ENODEV', () => kernel.getDeviceFd(edu.group, BDF.edu.slice(5))],
      ['GET_DEVICE_FD with garbage behind', 'EINVAL', () => kernel.getDeviceFd(edu.group, `${BDF.edu} garbage`)],
      ['GET_DEVICE_FD', '0', () => keep(kernel.getDeviceFd(edu.group, BDF.edu))],
      ['GET_DEVICE_FD a second time', '0', () => keep(kernel.getDeviceFd(edu.group, BDF.edu))],
      ['close the second', '0', () => kernel.close(extra.pop() ?? -1)],
      ['UNSET_CONTAINER with a device open', 'EBUSY', unset],
      ['close the device', '0', () => kernel.close(extra.pop() ?? -1)],
      ['UNSET_CONTAINER', '0', unset],
      ['GET_STATUS', '1', status],
      ['SET_CONTAINER re-used', '0', set],
      ['GET_DEVICE_FD, SET_IOMMU not repeated', 'EINVAL', () => kernel.getDeviceFd(edu.group, BDF.edu)],
      ['SET_IOMMU TYPE1, another type', '0', () => kernel.setIommu(edu.container, 1)],
    ]);
  });
});
