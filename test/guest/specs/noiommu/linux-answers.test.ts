import assert from 'node:assert/strict';
import { BDF } from '../../devices.js';
import { answers } from '../../support/answer-rows.js';
import { RealDevice } from '../../support/real-device.js';
import { groupName, groupOf } from '../../support/sysfs.js';

/** The kernel's answers where no IOMMU translates, in the order in which they were recorded. */
describe('the answers of the real kernel: noiommu', () => {
  const edu = new RealDevice(BDF.edu);
  const { kernel } = edu;
  before(() => edu.openGroup());
  after(() => edu.close());
  const MAP = { flags: 3, vaddr: 0n, iova: 0n, size: 4096n };

  answers([
    ['the group’s name', `noiommu-`, () => groupName(BDF.edu).replace(/\d+$/, '')],
    ['CHECK_EXTENSION NOIOMMU', '1', () => kernel.checkExtension(edu.container, 8)],
    ['open(/dev/vfio/N)', 'ENOENT', () => kernel.openGroup(groupOf(BDF.edu) ?? '')],
    ['GET_STATUS', '1', () => kernel.getGroupStatus(edu.group).flags],
    ['GET_DEVICE_FD before SET_CONTAINER', 'EINVAL', () => kernel.getDeviceFd(edu.group, BDF.edu)],
    ['SET_CONTAINER', '0', () => kernel.setContainer(edu.group, edu.container)],
    ['GET_STATUS', '3', () => kernel.getGroupStatus(edu.group).flags],
    ['CHECK_EXTENSION TYPE1', '0', () => kernel.checkExtension(edu.container, 1)],
    ['SET_IOMMU TYPE1v2', 'ENODEV', () => kernel.setIommu(edu.container, 3)],
    ['SET_IOMMU NOIOMMU', '0', () => kernel.setIommu(edu.container, 8)],
    ['IOMMU_GET_INFO', 'ENOTTY', () => kernel.getIommuInfo(edu.container).flags],
    ['MAP_DMA', 'ENOTTY', () => kernel.mapDma(edu.container, MAP)],
  ]);

  it('opens the device and reads its BAR', async () => {
    edu.device = await kernel.getDeviceFd(edu.group, BDF.edu);
    assert.equal((await edu.read(0, 0, 4)).length, 4);
  });
});
