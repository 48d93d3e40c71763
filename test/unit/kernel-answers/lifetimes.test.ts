import type { DmaMap } from '../../../lib/kernel/kernel.js';
import { addon } from '../../../lib/native/addon.js';
import type { Scenario } from './scenario.js';
import { descriptor, hex, leftOut, readAnswer, row, table, zero } from './table.js';
import { MAPPABLE, twoDevices } from './worlds.js';

const MAP: DmaMap = { flags: 3, iova: 0x10000n, vaddr: 0x10000n, size: 0x1000n };

async function mappedRead(s: Scenario): Promise<string> {
  const handle = await s.kernel.mmap(s.device, 0n, 4096, { read: true, write: true });
  s.cleanUp(() => addon.mappingClose(handle));
  return `ok, value ${hex(new Uint32Array(addon.mappingView(handle))[0] ?? 0)}`;
}

table('Lifetimes: closing fds early', twoDevices, [
  row('pread(config)', 'container fd closed', '4, value 0x11e81234', async (s) => {
    await s.deviceOpen();
    await s.kernel.close(s.container);
    return readAnswer(await s.read(7, 0, 4));
  }),
  row('GET_DEVICE_FD', 'container fd closed', '3 (an fd)', async (s) => {
    await s.iommuSet();
    await s.kernel.close(s.container);
    return descriptor(s.kernel.getDeviceFd(s.group, s.deviceName));
  }),
  row('close(group fd)', 'device open', '0', async (s) => {
    await s.deviceOpen();
    return zero(s.kernel.close(s.group));
  }),
  row('mmap BAR0 and read', 'container and group fds closed', 'ok, value 0x10000ed', async (s) => {
    await s.about(MAPPABLE.group, MAPPABLE.device).deviceOpen();
    await s.kernel.close(s.container);
    await s.kernel.close(s.group);
    return mappedRead(s);
  }),
  row('open(/dev/vfio/N)', 'group fd closed, device fd still open', '-1 EBUSY', async (s) => {
    await s.deviceOpen();
    await s.kernel.close(s.group);
    return descriptor(s.kernel.openGroup(s.groupName));
  }),
  leftOut(
    'open(/dev/vfio/N)',
    'all fds closed, BAR mapping still in place',
    '-1 EBUSY',
    "a mapping of a BAR is the addon's: the core does not see it go",
  ),
  leftOut(
    'open(/dev/vfio/N)',
    'all fds closed, BAR mapping unmapped',
    '3',
    "a mapping of a BAR is the addon's: the core does not see it go",
  ),
  row('close(group fd)', 'container set, no device open', '0', async (s) => {
    await s.iommuSet();
    return zero(s.kernel.close(s.group));
  }),
  row('MAP_DMA', 'group fd closed: the group left the container', '-1 EINVAL', async (s) => {
    await s.iommuSet();
    await s.kernel.close(s.group);
    return zero(s.kernel.mapDma(s.container, MAP));
  }),
  row('open(/dev/vfio/N), GET_STATUS', 're-opened', 'fd ok, flags 0x1', async (s) => {
    await s.iommuSet();
    await s.kernel.close(s.group);
    const again = await s.kernel.openGroup(s.groupName);
    return `fd ok, flags ${hex(s.kernel.getGroupStatus(again).flags)}`;
  }),
  row('open(/dev/vfio/N)', 'all closed here, a forked child still holds them', '-1 EBUSY', async (s) => {
    await s.deviceOpen();
    s.fork();
    for (const fd of [s.device, s.group, s.container]) await s.kernel.close(fd);
    return descriptor(s.kernel.openGroup(s.groupName));
  }),
]);
