import assert from 'node:assert/strict';

import type { Fd } from '../../../lib/kernel/kernel.js';
import { map } from './dma-steps.js';
import type { Scenario } from './scenario.js';
import { answerOf, descriptor, hex, row, table, zero } from './table.js';
import { noiommu } from './worlds.js';

function status(s: Scenario): string {
  return `flags ${hex(s.kernel.getGroupStatus(s.group).flags)}`;
}

/** Checks that the group cannot be opened without the capability. The next calls therefore have no descriptor of it. */
async function unprivileged(s: Scenario): Promise<{ container: Fd; group: Fd }> {
  s.kernel = s.process({ capSysRawio: false });
  await s.containerOpen();
  assert.equal(await answerOf(() => descriptor(s.kernel.openGroup(s.groupName))), '-1 EPERM');
  return { container: s.container, group: -1 };
}

table('noiommu (booted without intel_iommu, enable_unsafe_noiommu_mode=1)', noiommu, [
  row('CHECK_EXTENSION NOIOMMU (8)', 'empty container', '1', async (s) =>
    String((await s.containerOpen()).kernel.checkExtension(s.container, 8)),
  ),
  row('open(/dev/vfio/N)', 'noiommu group', '-1 ENOENT', (s) =>
    descriptor(s.kernel.openGroup(s.groupName.replace('noiommu-', ''))),
  ),
  row('open(/dev/vfio/noiommu-N)', 'root', '4', (s) => descriptor(s.kernel.openGroup(s.groupName))),
  row('GET_STATUS', '-', 'flags 0x1', async (s) => status(await s.groupOpen())),
  row('GET_DEVICE_FD', 'before SET_CONTAINER', '-1 EINVAL', async (s) =>
    descriptor((await s.groupOpen()).kernel.getDeviceFd(s.group, s.deviceName)),
  ),
  row('GET_STATUS', 'container set', 'flags 0x3', async (s) => status(await s.containerSet())),
  row('CHECK_EXTENSION TYPE1 (1)', 'noiommu group in the container', '0', async (s) =>
    String((await s.containerSet()).kernel.checkExtension(s.container, 1)),
  ),
  row('SET_IOMMU TYPE1v2', 'noiommu group', '-1 ENODEV', async (s) =>
    zero((await s.containerSet()).kernel.setIommu(s.container, 3)),
  ),
  row('SET_IOMMU NOIOMMU', 'noiommu group', '0', async (s) =>
    zero((await s.containerSet()).kernel.setIommu(s.container, 8)),
  ),
  row('IOMMU_GET_INFO', 'noiommu', '-1 ENOTTY', async (s) =>
    String((await s.iommuSet(8)).kernel.getIommuInfo(s.container).flags),
  ),
  row('MAP_DMA', 'noiommu', '-1 ENOTTY', async (s) => map(await s.iommuSet(8), {})),
  row('GET_DEVICE_FD', 'noiommu', '5', async (s) =>
    descriptor((await s.iommuSet(8)).kernel.getDeviceFd(s.group, s.deviceName)),
  ),
  row('pread BAR0', 'noiommu', '4', async (s) => String((await (await s.deviceOpen(8)).read(0, 0, 4)).length)),
  row('SET_IRQS MSI eventfd', 'noiommu', '0', async (s) => {
    await s.deviceOpen(8);
    return zero(s.kernel.setIrqs(s.device, { flags: 0x24, index: 1, start: 0, count: 1, eventfds: [s.eventfd()] }));
  }),
  row('SET_IOMMU NOIOMMU on the iommufd', 'noiommu group', '0', async (s) => {
    await s.groupOpen();
    s.container = await s.kernel.openIommufd();
    await s.kernel.setContainer(s.group, s.container);
    return zero(s.kernel.setIommu(s.container, 8));
  }),
  row('SET_CONTAINER', 'without CAP_SYS_RAWIO', '-1 EBADF', async (s) => {
    const { container, group } = await unprivileged(s);
    return zero(s.kernel.setContainer(group, container));
  }),
  row('SET_IOMMU NOIOMMU', 'without CAP_SYS_RAWIO', '-1 EINVAL', async (s) => {
    const { container } = await unprivileged(s);
    return zero(s.kernel.setIommu(container, 8));
  }),
]);
