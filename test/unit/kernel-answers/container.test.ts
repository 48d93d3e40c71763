import type { DmaMap } from '../../../lib/kernel/kernel.js';
import type { Scenario } from './scenario.js';
import { descriptor, hex, readAnswer, row, table, zero } from './table.js';
import { twoDevices } from './worlds.js';

const MAP: DmaMap = { flags: 3, iova: 0x10000n, vaddr: 0x10000n, size: 0x1000n };
const UNMAP = { flags: 0, iova: 0x10000n, size: 0x1000n };

const extension =
  (number: number) =>
  async (s: Scenario): Promise<string> => {
    await s.containerOpen();
    return String(s.kernel.checkExtension(s.container, number));
  };

table('Container without a group', twoDevices, [
  row('open(/dev/vfio/vfio, O_RDWR)', '-', '0', (s) => descriptor(s.kernel.openContainer())),
  row('VFIO_GET_API_VERSION', 'empty container', '0', async (s) => {
    await s.containerOpen();
    return String(s.kernel.getApiVersion(s.container));
  }),
  row('VFIO_CHECK_EXTENSION TYPE1 (1)', 'empty container', '1', extension(1)),
  row('VFIO_CHECK_EXTENSION DMA_CC_IOMMU (4)', 'empty container', '0', extension(4)),
  row('VFIO_CHECK_EXTENSION EEH (5)', 'empty container', '0', extension(5)),
  row('VFIO_CHECK_EXTENSION TYPE1_NESTING (6)', 'empty container', '1', extension(6)),
  row('VFIO_CHECK_EXTENSION SPAPR_TCE_v2 (7)', 'empty container', '0', extension(7)),
  row('VFIO_CHECK_EXTENSION NOIOMMU (8)', 'empty container', '0', extension(8)),
  row('VFIO_CHECK_EXTENSION UNMAP_ALL (9)', 'empty container', '1', extension(9)),
  row('VFIO_CHECK_EXTENSION UPDATE_VADDR (10)', 'empty container', '0', extension(10)),
  row('VFIO_CHECK_EXTENSION 999', 'empty container', '0', extension(999)),
  row('VFIO_IOMMU_MAP_DMA', 'empty container', '-1 EINVAL', async (s) => {
    await s.containerOpen();
    return zero(s.kernel.mapDma(s.container, MAP));
  }),
  row('VFIO_IOMMU_UNMAP_DMA', 'empty container', '-1 EINVAL', async (s) => {
    await s.containerOpen();
    return zero(s.kernel.unmapDma(s.container, UNMAP));
  }),
  row('read(container fd, 4)', 'empty container', '-1 EINVAL', async (s) => {
    await s.containerOpen();
    return readAnswer(await s.kernel.pread(s.container, 0n, 4));
  }),
  row('VFIO_GROUP_GET_STATUS on a container fd', 'empty container', '-1 EINVAL', async (s) => {
    await s.containerOpen();
    return hex(s.kernel.getGroupStatus(s.container).flags);
  }),
]);
