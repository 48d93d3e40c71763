import { closeSync, openSync } from 'node:fs';

import type { DmaMap, Fd, GroupStatus } from '../../../lib/kernel/kernel.js';
import { MEMORY } from './dma-steps.js';
import type { Scenario } from './scenario.js';
import { descriptor, hex, leftOut, readAnswer, row, table, zero } from './table.js';
import { SECOND_DEVICE, SECOND_GROUP, twoDevices } from './worlds.js';

const MAP: DmaMap = { flags: 3, iova: 0x10000n, vaddr: MEMORY, size: 0x1000n };
const UNMAP = { flags: 0, iova: 0x10000n, size: 0x1000n };

function statusOf(status: GroupStatus): string {
  return `flags ${hex(status.flags)}`;
}

function status(s: Scenario, kernel = s.kernel): string {
  return statusOf(kernel.getGroupStatus(s.group));
}

/** Adds a second group to the container of the first one. */
async function joined(s: Scenario): Promise<Fd> {
  await s.iommuSet();
  const second = await s.kernel.openGroup(SECOND_GROUP);
  await s.kernel.setContainer(second, s.container);
  return second;
}

/** Makes a container that had an IOMMU and a mapping, and puts the group back into it. */
async function reused(s: Scenario): Promise<void> {
  await s.iommuSet();
  await s.kernel.mapDma(s.container, MAP);
  await s.kernel.unsetContainer(s.group);
  await s.kernel.setContainer(s.group, s.container);
}

table('Group: open, status, SET_CONTAINER, SET_IOMMU, GET_DEVICE_FD', twoDevices, [
  row('open(/dev/vfio/N) again, same process', 'group already open', '-1 EBUSY', async (s) =>
    descriptor((await s.groupOpen()).kernel.openGroup(s.groupName)),
  ),
  leftOut(
    'open(/dev/vfio/N, O_RDONLY) again',
    'group already open',
    '-1 EBUSY',
    'the interface opens groups for reading and writing alone',
  ),
  row('open(/dev/vfio/N), another process', 'group already open elsewhere', '-1 EBUSY', async (s) => {
    await s.groupOpen();
    return descriptor(s.process().openGroup(s.groupName));
  }),
  row('GET_STATUS through an inherited group fd (fork)', 'group open', 'flags 0x1', async (s) => {
    await s.groupOpen();
    return status(s, s.fork());
  }),
  row('dup(group fd), GET_STATUS on it', 'group open', '0, flags 0x1', async (s) => {
    await s.groupOpen();
    const copy = s.kernel.dup(s.group);
    return `0, ${statusOf(s.kernel.getGroupStatus(copy))}`;
  }),
  row('GET_STATUS argsz=4', 'group open', '-1 EINVAL', async (s) => {
    await s.groupOpen();
    return statusOf(s.kernel.getGroupStatus(s.group, 4));
  }),
  row('GET_STATUS argsz=64', 'group open', '0, argsz out 64', async (s) => {
    await s.groupOpen();
    const { flags } = s.kernel.getGroupStatus(s.group, 64);
    return flags === 1 ? '0, argsz out 64' : hex(flags);
  }),
  leftOut('GET_STATUS NULL', 'group open', '-1 EFAULT', 'the typed interface has no NULL pointer'),
  row('GET_STATUS', 'before SET_CONTAINER, viable', '0, flags 0x1 (VIABLE=1, CONTAINER_SET=2)', async (s) => {
    await s.groupOpen();
    return `0, ${status(s)}`;
  }),
  row('unknown ioctl on the group fd', 'group open', '-1 ENOTTY', async (s) => {
    await s.groupOpen();
    return String(s.kernel.getApiVersion(s.group));
  }),
  row('GET_DEVICE_FD right name', 'before SET_CONTAINER', '-1 EINVAL', async (s) => {
    await s.groupOpen();
    return descriptor(s.kernel.getDeviceFd(s.group, s.deviceName));
  }),
  row('SET_CONTAINER fd 9999 (not open)', 'no container set', '-1 EBADF', async (s) =>
    zero((await s.groupOpen()).kernel.setContainer(s.group, 9999)),
  ),
  row('SET_CONTAINER regular file fd', 'no container set', '-1 EBADFD', async (s) => {
    await s.groupOpen();
    const file = openSync('/proc/self/status', 'r');
    s.cleanUp(() => closeSync(file));
    return zero(s.kernel.setContainer(s.group, file));
  }),
  row('SET_CONTAINER eventfd', 'no container set', '-1 EBADFD', async (s) => {
    await s.groupOpen();
    return zero(s.kernel.setContainer(s.group, s.eventfd()));
  }),
  row("SET_CONTAINER the group's own fd", 'no container set', '-1 EBADFD', async (s) => {
    await s.groupOpen();
    return zero(s.kernel.setContainer(s.group, s.group));
  }),
  row('SET_CONTAINER', 'group open, viable', '0', async (s) => {
    await (await s.containerOpen()).groupOpen();
    return zero(s.kernel.setContainer(s.group, s.container));
  }),
  row('GET_STATUS', 'after SET_CONTAINER', '0, flags 0x3', async (s) => {
    await s.containerSet();
    return `0, ${status(s)}`;
  }),
  row('SET_CONTAINER same container again', 'container set', '-1 EINVAL', async (s) => {
    await s.containerSet();
    return zero(s.kernel.setContainer(s.group, s.container));
  }),
  row('SET_CONTAINER fd -1', 'container set', '-1 EBADF', async (s) => {
    await s.containerSet();
    return zero(s.kernel.setContainer(s.group, -1));
  }),
  row('GET_DEVICE_FD', 'container set, before SET_IOMMU', '-1 EINVAL', async (s) => {
    await s.containerSet();
    return descriptor(s.kernel.getDeviceFd(s.group, s.deviceName));
  }),
  row('GET_DEVICE_FD wrong name', 'container set, before SET_IOMMU', '-1 ENODEV', async (s) => {
    await s.containerSet();
    return descriptor(s.kernel.getDeviceFd(s.group, 'nope'));
  }),
  row('MAP_DMA', 'container set, before SET_IOMMU', '-1 EINVAL', async (s) => {
    await s.containerSet();
    return zero(s.kernel.mapDma(s.container, MAP));
  }),
  row('CHECK_EXTENSION NOIOMMU (8)', 'type1 group in container, no IOMMU set', '0', async (s) => {
    await s.containerSet();
    return String(s.kernel.checkExtension(s.container, 8));
  }),
  row('CHECK_EXTENSION DMA_CC (4)', 'group in container, no IOMMU set', '0', async (s) => {
    await s.containerSet();
    return String(s.kernel.checkExtension(s.container, 4));
  }),
  row('SET_IOMMU NOIOMMU (8)', 'real IOMMU group in container', '-1 ENODEV', async (s) => {
    await s.containerSet();
    return zero(s.kernel.setIommu(s.container, 8));
  }),
  row('SET_IOMMU SPAPR (2)', 'container set', '-1 ENODEV', async (s) => {
    await s.containerSet();
    return zero(s.kernel.setIommu(s.container, 2));
  }),
  row('SET_IOMMU UNMAP_ALL (9, an extension, not a type)', 'container set', '-1 EINVAL', async (s) => {
    await s.containerSet();
    return zero(s.kernel.setIommu(s.container, 9));
  }),
  row('UNSET_CONTAINER', 'container set, no IOMMU, no device open', '0', async (s) => {
    await s.containerSet();
    return zero(s.kernel.unsetContainer(s.group));
  }),
  row('UNSET_CONTAINER again', 'just unset', '-1 EINVAL', async (s) => {
    await s.containerSet();
    await s.kernel.unsetContainer(s.group);
    return zero(s.kernel.unsetContainer(s.group));
  }),
  row('SET_CONTAINER', 'after UNSET_CONTAINER', '0', async (s) => {
    await s.containerSet();
    await s.kernel.unsetContainer(s.group);
    return zero(s.kernel.setContainer(s.group, s.container));
  }),
  row('SET_IOMMU TYPE1v2 (3)', 'container set', '0', async (s) => {
    await s.containerSet();
    return zero(s.kernel.setIommu(s.container, 3));
  }),
  row('SET_IOMMU TYPE1v2 again', 'IOMMU set', '-1 EINVAL', async (s) => {
    await s.iommuSet();
    return zero(s.kernel.setIommu(s.container, 3));
  }),
  row('SET_IOMMU TYPE1 (1)', 'TYPE1v2 set', '-1 EINVAL', async (s) => {
    await s.iommuSet();
    return zero(s.kernel.setIommu(s.container, 1));
  }),
  row('CHECK_EXTENSION DMA_CC (4)', 'IOMMU set', '0', async (s) => {
    await s.iommuSet();
    return String(s.kernel.checkExtension(s.container, 4));
  }),
  row('unknown ioctl on the container', 'IOMMU set', '-1 ENOTTY', async (s) => {
    await s.iommuSet();
    return hex(s.kernel.getGroupStatus(s.container).flags);
  }),
  row('GET_DEVICE_FD "nope"', 'IOMMU set', '-1 ENODEV', async (s) => {
    await s.iommuSet();
    return descriptor(s.kernel.getDeviceFd(s.group, 'nope'));
  }),
  row('GET_DEVICE_FD ""', 'IOMMU set', '-1 ENODEV', async (s) => {
    await s.iommuSet();
    return descriptor(s.kernel.getDeviceFd(s.group, ''));
  }),
  leftOut('GET_DEVICE_FD NULL', 'IOMMU set', '-1 EFAULT', 'the typed interface has no NULL pointer'),
  row('GET_DEVICE_FD "00:04.0" (no domain)', 'IOMMU set', '-1 ENODEV', async (s) => {
    await s.iommuSet();
    return descriptor(s.kernel.getDeviceFd(s.group, s.deviceName.slice(5)));
  }),
  row('GET_DEVICE_FD "<bdf> garbage"', 'IOMMU set', '-1 EINVAL', async (s) => {
    await s.iommuSet();
    return descriptor(s.kernel.getDeviceFd(s.group, `${s.deviceName} garbage`));
  }),
  row('GET_DEVICE_FD', 'IOMMU set', '8 (an fd)', async (s) => {
    await s.iommuSet();
    return descriptor(s.kernel.getDeviceFd(s.group, s.deviceName));
  }),
  row('GET_DEVICE_FD a second time', 'device fd already open', '9 (a second fd)', async (s) => {
    await s.deviceOpen();
    return descriptor(s.kernel.getDeviceFd(s.group, s.deviceName));
  }),
  row('pread(config 0) on the second device fd', 'two device fds', '4, value 0x11e81234', async (s) => {
    await s.deviceOpen();
    s.device = await s.kernel.getDeviceFd(s.group, s.deviceName);
    return readAnswer(await s.read(7, 0, 4));
  }),
  row('close(second device fd)', 'two device fds', '0', async (s) => {
    await s.deviceOpen();
    const second = await s.kernel.getDeviceFd(s.group, s.deviceName);
    return zero(s.kernel.close(second));
  }),
  row('UNSET_CONTAINER', 'a device open', '-1 EBUSY', async (s) => {
    await s.deviceOpen();
    return zero(s.kernel.unsetContainer(s.group));
  }),
  row('GET_STATUS of the second group', 'joined', 'flags 0x3', async (s) => {
    const second = await joined(s);
    return statusOf(s.kernel.getGroupStatus(second));
  }),
  row('GET_DEVICE_FD from the second group', 'no second SET_IOMMU made', '10 (an fd)', async (s) => {
    const second = await joined(s);
    return descriptor(s.kernel.getDeviceFd(second, SECOND_DEVICE));
  }),
  row('SET_IOMMU', 'two groups', '-1 EINVAL', async (s) => {
    await joined(s);
    return zero(s.kernel.setIommu(s.container, 3));
  }),
  row('GET_DEVICE_FD from the second group', 'unset', '-1 EINVAL', async (s) => {
    const second = await joined(s);
    await s.kernel.unsetContainer(second);
    return descriptor(s.kernel.getDeviceFd(second, SECOND_DEVICE));
  }),
  row('MAP_DMA', 'device open', '0', async (s) => {
    await s.deviceOpen();
    return zero(s.kernel.mapDma(s.container, MAP));
  }),
  row('close(device fd)', 'container and group open', '0', async (s) => {
    await s.deviceOpen();
    return zero(s.kernel.close(s.device));
  }),
  row('UNSET_CONTAINER', 'no device open, mappings exist', '0', async (s) => {
    await s.iommuSet();
    await s.kernel.mapDma(s.container, MAP);
    return zero(s.kernel.unsetContainer(s.group));
  }),
  row('GET_STATUS', 'after UNSET_CONTAINER', 'flags 0x1', async (s) => {
    await s.iommuSet();
    await s.kernel.unsetContainer(s.group);
    return status(s);
  }),
  row('GET_DEVICE_FD', 're-used container, SET_IOMMU not repeated', '-1 EINVAL', async (s) => {
    await reused(s);
    return descriptor(s.kernel.getDeviceFd(s.group, s.deviceName));
  }),
  row('SET_IOMMU TYPE1 (1)', 're-used container, other type', '0', async (s) => {
    await reused(s);
    return zero(s.kernel.setIommu(s.container, 1));
  }),
  row('UNMAP_DMA old iova', 're-used container', '0, size out 0 (old mappings gone)', async (s) => {
    await reused(s);
    await s.kernel.setIommu(s.container, 1);
    const { size } = await s.kernel.unmapDma(s.container, UNMAP);
    return `0, size out ${hex(size)}`;
  }),
]);
