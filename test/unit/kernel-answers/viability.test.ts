import assert from 'node:assert/strict';

import type { Fd } from '../../../lib/kernel/kernel.js';
import type { Scenario } from './scenario.js';
import { answerOf, descriptor, hex, row, table, zero } from './table.js';
import { BOTH, MIXED, severalFunctions, THREE } from './worlds.js';

function status(s: Scenario): string {
  return `flags ${hex(s.kernel.getGroupStatus(s.group).flags)}`;
}

/** A group that is not viable cannot join a container: SET_CONTAINER fails with EPERM. */
async function rejectedGroup(s: Scenario): Promise<Scenario> {
  await (await s.containerOpen()).groupOpen();
  assert.equal(await answerOf(() => zero(s.kernel.setContainer(s.group, s.container))), '-1 EPERM');
  return s;
}

/** Writes to sysfs. @returns the result of write(2) */
async function write(s: Scenario, path: string, data: string): Promise<string> {
  await s.kernel.sysfs.writeFile(path, data);
  return String(data.length);
}

async function unbindSibling(s: Scenario): Promise<string> {
  s.cleanUp(async () => {
    if (s.machine.device(MIXED.sibling).driver === null) await s.machine.bindDriver(MIXED.sibling, 'virtio-pci');
  });
  return write(s, `/sys/bus/pci/devices/${MIXED.sibling}/driver/unbind`, MIXED.sibling);
}

/** Binds both functions of a group to one iommufd. @returns the open node of the second */
async function bothBound(s: Scenario): Promise<Fd> {
  await s.about(BOTH.group, BOTH.device).cdevBound();
  const sibling = await s.openCdev(BOTH.sibling);
  await s.kernel.bindIommufd(sibling, s.container);
  return sibling;
}

table('Group viability (groups of several functions)', severalFunctions, [
  row(
    'GET_STATUS',
    '3-function group, 1f.0 bound to vfio-pci, 1f.2 and 1f.3 without a driver',
    'flags 0x1',
    async (s) => status(await s.about(THREE.group, THREE.device).groupOpen()),
  ),
  row('SET_CONTAINER', '3-function group, 1f.0 bound to vfio-pci, 1f.2 and 1f.3 without a driver', '0', async (s) => {
    await s.about(THREE.group, THREE.device).groupOpen();
    await s.containerOpen();
    return zero(s.kernel.setContainer(s.group, s.container));
  }),
  row(
    'GET_STATUS',
    '3-function group, 1f.0 bound to vfio-pci, 1f.2 and 1f.3 without a driver',
    'flags 0x3',
    async (s) => status(await s.about(THREE.group, THREE.device).containerSet()),
  ),
  row(
    'SET_IOMMU TYPE1v2',
    '3-function group, 1f.0 bound to vfio-pci, 1f.2 and 1f.3 without a driver',
    '0',
    async (s) => {
      await s.about(THREE.group, THREE.device).containerSet();
      return zero(s.kernel.setIommu(s.container, 3));
    },
  ),
  row('GET_DEVICE_FD', '3-function group, 1f.0 bound to vfio-pci, 1f.2 and 1f.3 without a driver', '5', async (s) => {
    await s.about(THREE.group, THREE.device).iommuSet();
    return descriptor(s.kernel.getDeviceFd(s.group, s.deviceName));
  }),
  row('GET_STATUS', '2-function group, edu bound to vfio-pci, sibling bound to virtio-pci', 'flags 0', async (s) =>
    status(await s.about(MIXED.group, MIXED.device).groupOpen()),
  ),
  row('GET_STATUS', '2-function group, edu bound to vfio-pci, sibling bound to virtio-pci', 'flags 0', async (s) =>
    status(await rejectedGroup(s.about(MIXED.group, MIXED.device))),
  ),
  row(
    'SET_IOMMU TYPE1v2',
    '2-function group, edu bound to vfio-pci, sibling bound to virtio-pci',
    '-1 EINVAL',
    async (s) => {
      await rejectedGroup(s.about(MIXED.group, MIXED.device));
      return zero(s.kernel.setIommu(s.container, 3));
    },
  ),
  row(
    'GET_DEVICE_FD',
    '2-function group, edu bound to vfio-pci, sibling bound to virtio-pci',
    '-1 EINVAL',
    async (s) => {
      await rejectedGroup(s.about(MIXED.group, MIXED.device));
      return descriptor(s.kernel.getDeviceFd(s.group, s.deviceName));
    },
  ),
  row('cdev: VFIO_DEVICE_BIND_IOMMUFD', 'sibling bound to virtio-pci', '-1 EPERM', async (s) => {
    const iommufd = await s.kernel.openIommufd();
    return zero(s.kernel.bindIommufd(await s.openCdev(MIXED.device), iommufd).then(() => undefined));
  }),
  row('unbind the sibling from virtio-pci (write to driver/unbind)', 'group not in use', '12', (s) =>
    unbindSibling(s.about(MIXED.group, MIXED.device)),
  ),
  row('open(/dev/vfio/N)', 'sibling now without a driver', '3', async (s) => {
    await unbindSibling(s.about(MIXED.group, MIXED.device));
    return descriptor(s.kernel.openGroup(s.groupName));
  }),
  row('GET_STATUS', 'sibling now without a driver', 'flags 0x1', async (s) => {
    await unbindSibling(s.about(MIXED.group, MIXED.device));
    return status(await s.groupOpen());
  }),
  row('SET_CONTAINER', 'sibling now without a driver', '0', async (s) => {
    await unbindSibling(s.about(MIXED.group, MIXED.device));
    await (await s.containerOpen()).groupOpen();
    return zero(s.kernel.setContainer(s.group, s.container));
  }),
  row('SET_IOMMU TYPE1v2', 'sibling now without a driver', '0', async (s) => {
    await unbindSibling(s.about(MIXED.group, MIXED.device));
    await s.containerSet();
    return zero(s.kernel.setIommu(s.container, 3));
  }),
  row('GET_DEVICE_FD', 'sibling now without a driver', '5', async (s) => {
    await unbindSibling(s.about(MIXED.group, MIXED.device));
    await s.iommuSet();
    return descriptor(s.kernel.getDeviceFd(s.group, s.deviceName));
  }),
  row('bind the sibling back to virtio-pci', 'group closed', '12', async (s) => {
    await unbindSibling(s.about(MIXED.group, MIXED.device));
    return write(s, '/sys/bus/pci/drivers/virtio-pci/bind', MIXED.sibling);
  }),
  row('GET_DEVICE_FD function 0', '2-function group, both on vfio-pci', '5', async (s) => {
    await s.about(BOTH.group, BOTH.device).iommuSet();
    return descriptor(s.kernel.getDeviceFd(s.group, BOTH.device));
  }),
  row('GET_DEVICE_FD function 1, same group fd', '2-function group, both on vfio-pci', '6', async (s) => {
    await s.about(BOTH.group, BOTH.device).deviceOpen();
    return descriptor(s.kernel.getDeviceFd(s.group, BOTH.sibling));
  }),
  row('UNSET_CONTAINER', 'one of two devices closed', '-1 EBUSY', async (s) => {
    await s.about(BOTH.group, BOTH.device).deviceOpen();
    const other = await s.kernel.getDeviceFd(s.group, BOTH.sibling);
    await s.kernel.close(other);
    return zero(s.kernel.unsetContainer(s.group));
  }),
  row('UNSET_CONTAINER', 'both devices closed', '0', async (s) => {
    await s.about(BOTH.group, BOTH.device).deviceOpen();
    const other = await s.kernel.getDeviceFd(s.group, BOTH.sibling);
    for (const fd of [other, s.device]) await s.kernel.close(fd);
    return zero(s.kernel.unsetContainer(s.group));
  }),
  row('cdev: BIND_IOMMUFD function 0 to iommufd A', '2-function group', '0', async (s) =>
    zero(
      s
        .about(BOTH.group, BOTH.device)
        .cdevBound()
        .then(() => undefined),
    ),
  ),
  row('cdev: BIND_IOMMUFD function 1 to iommufd B', 'function 0 bound to A', '-1 EPERM', async (s) => {
    await s.about(BOTH.group, BOTH.device).cdevBound();
    const other = await s.kernel.openIommufd();
    return zero(s.kernel.bindIommufd(await s.openCdev(BOTH.sibling), other).then(() => undefined));
  }),
  row('cdev: BIND_IOMMUFD function 1 to iommufd A', 'function 0 bound to A', '0', async (s) =>
    zero(bothBound(s).then(() => undefined)),
  ),
  row('cdev: ATTACH function 1 to IOAS 2', 'function 0 on IOAS 1', '-1 EINVAL', async (s) => {
    const sibling = await bothBound(s);
    await s.kernel.attachIommufdPt(s.device, s.kernel.allocIoas(s.container));
    const other = s.kernel.allocIoas(s.container);
    return zero(s.kernel.attachIommufdPt(sibling, other).then(() => undefined));
  }),
  row('cdev: ATTACH function 1 to IOAS 1', 'function 0 on IOAS 1', '0', async (s) => {
    const sibling = await bothBound(s);
    const ioas = s.kernel.allocIoas(s.container);
    await s.kernel.attachIommufdPt(s.device, ioas);
    return zero(s.kernel.attachIommufdPt(sibling, ioas).then(() => undefined));
  }),
]);
