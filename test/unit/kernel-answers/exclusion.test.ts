import { addon } from '../../../lib/native/addon.js';
import type { Fd } from '../../../lib/kernel/kernel.js';
import * as vfio from '../../../lib/uapi/vfio.js';
import { map, unmapped } from './dma-steps.js';
import type { Scenario } from './scenario.js';
import { answerOf, descriptor, hex, row, table, zero } from './table.js';
import { twoDevices } from './worlds.js';

/** Opens a group that uses an iommufd as its container. */
async function compat(s: Scenario): Promise<Scenario> {
  await s.groupOpen();
  s.container = await s.kernel.openIommufd();
  await s.kernel.setContainer(s.group, s.container);
  return s;
}

/** Binds a device node to the iommufd of the row. */
async function bind(s: Scenario, cdev: Fd): Promise<void> {
  await s.kernel.bindIommufd(cdev, s.container);
}

interface Unbinding {
  readonly request: Fd;
  readonly written: Promise<void>;
  /** Returns the state of the process that writes to sysfs. */
  readonly writer: () => string;
}

/** Opens a device, sets its REQ eventfd, and begins to unbind its driver. */
async function unbinding(s: Scenario): Promise<Unbinding> {
  await s.deviceOpen();
  const request = s.eventfd();
  const flags = vfio.VFIO_IRQ_SET_DATA_EVENTFD | vfio.VFIO_IRQ_SET_ACTION_TRIGGER;
  const index = vfio.VFIO_PCI_REQ_IRQ_INDEX;
  await s.kernel.setIrqs(s.device, { flags, index, start: 0, count: 1, eventfds: [request] });
  let writer = 'blocked in write()';
  const written = s.kernel.sysfs.writeFile(`/sys/bus/pci/devices/${s.deviceName}/driver/unbind`, s.deviceName);
  const returned = written.then(() => {
    writer = 'returned';
  });
  s.cleanUp(async () => {
    await returned;
    await bindAgain(s);
  });
  return { request, written: returned, writer: () => writer };
}

async function bindAgain(s: Scenario): Promise<void> {
  const device = s.machine.device(s.deviceName);
  if (device.driver !== null) return;
  await s.kernel.sysfs.writeFile(`/sys/bus/pci/devices/${s.deviceName}/driver_override`, 'vfio-pci');
  await s.kernel.sysfs.writeFile('/sys/bus/pci/drivers_probe', s.deviceName);
}

/** Waits for an eventfd. @returns the result of poll(2): 1, or 0 after the timeout */
async function arrives(fd: Fd): Promise<number> {
  const deadline = performance.now() + 5000;
  while (addon.eventfdRead(fd) === 0) {
    if (performance.now() > deadline) return 0;
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  return 1;
}

table('Group and cdev exclusion; driver unbind while in use', twoDevices, [
  row('open(/dev/vfio/N)', '-', '3', async (s) => {
    await s.containerOpen();
    return descriptor(s.kernel.openGroup(s.groupName));
  }),
  row('open(/dev/vfio/devices/vfioX)', 'group fd open', '4', async (s) => descriptor((await s.groupOpen()).openCdev())),
  row('BIND_IOMMUFD', 'group fd open', '-1 EBUSY', async (s) => {
    await s.groupOpen();
    s.container = await s.kernel.openIommufd();
    return zero(bind(s, await s.openCdev()));
  }),
  row('open(/dev/vfio/N)', 'device bound through its cdev', '-1 EBUSY', async (s) =>
    descriptor((await s.cdevBound()).kernel.openGroup(s.groupName)),
  ),
  row('BIND_IOMMUFD on the second cdev fd', 'bound by the first', '-1 EINVAL', async (s) =>
    zero(bind(await s.cdevBound(), await s.openCdev())),
  ),
  row('BIND_IOMMUFD on the second cdev fd', 'first cdev fd closed', '0', async (s) => {
    const second = await (await s.cdevBound()).openCdev();
    await s.kernel.close(s.device);
    return zero(bind(s, second));
  }),
  row('SET_CONTAINER with an iommufd fd (compat)', 'CONFIG_IOMMUFD_VFIO_CONTAINER=n', '0', async (s) => {
    await s.groupOpen();
    s.container = await s.kernel.openIommufd();
    return zero(s.kernel.setContainer(s.group, s.container));
  }),
  row(
    'GET_STATUS',
    'iommufd as container',
    'flags 0x3',
    async (s) => `flags ${hex((await compat(s)).kernel.getGroupStatus(s.group).flags)}`,
  ),
  row('VFIO_GET_API_VERSION on the iommufd', 'compat', '0', async (s) =>
    String((await compat(s)).kernel.getApiVersion(s.container)),
  ),
  row('VFIO_CHECK_EXTENSION TYPE1v2 on the iommufd', 'compat', '1', async (s) =>
    String((await compat(s)).kernel.checkExtension(s.container, 3)),
  ),
  row('VFIO_SET_IOMMU TYPE1v2 on the iommufd', 'compat', '0', async (s) =>
    zero((await compat(s)).kernel.setIommu(s.container, 3)),
  ),
  row('GET_DEVICE_FD', 'iommufd as container', '5', async (s) =>
    descriptor((await compat(s)).kernel.getDeviceFd(s.group, s.deviceName)),
  ),
  row('VFIO_IOMMU_MAP_DMA on the iommufd', 'compat', '0', async (s) => map(await compat(s), { size: 0x4000n })),
  row('VFIO_IOMMU_UNMAP_DMA partial on the iommufd', 'compat', '-1 ENOENT, size out 0', async (s) => {
    await map(await compat(s), { size: 0x4000n });
    return `${await answerOf(() => unmapped(s, {}))}, size out 0`;
  }),
  row('VFIO_IOMMU_UNMAP_DMA of nothing on the iommufd', 'compat', '0, size out 0', async (s) =>
    unmapped(await compat(s), {}),
  ),
  row('UNSET_CONTAINER', 'iommufd as container, device open', '0', async (s) => {
    await compat(s);
    await s.kernel.getDeviceFd(s.group, s.deviceName);
    return zero(s.kernel.unsetContainer(s.group));
  }),
  row(
    'unbind from vfio-pci (sysfs write in another process)',
    'device open, REQ eventfd set',
    'poll(REQ eventfd) 1 after 5.1 ms',
    async (s) => {
      const { request } = await unbinding(s);
      return `poll(REQ eventfd) ${await arrives(request)}`;
    },
  ),
  row('the writer', 'device still open', 'blocked in write()', async (s) => {
    const { writer, request } = await unbinding(s);
    await arrives(request);
    return writer();
  }),
  row('pread(config)', 'unbind pending', '4', async (s) => {
    const { request } = await unbinding(s);
    await arrives(request);
    return String((await s.read(7, 0, 4)).length);
  }),
  row('GET_DEVICE_FD', 'unbind pending', '-1 ENODEV', async (s) => {
    const { request } = await unbinding(s);
    await arrives(request);
    return descriptor(s.kernel.getDeviceFd(s.group, s.deviceName));
  }),
  row('the writer', 'device fd closed, group fd still open', 'returned', async (s) => {
    const { writer, written } = await unbinding(s);
    await s.kernel.close(s.device);
    await written;
    return writer();
  }),
  row('open(/dev/vfio/N)', 'bound again', '3 (an fd)', async (s) => {
    const { written } = await unbinding(s);
    await s.kernel.exit();
    await written;
    await bindAgain(s);
    return descriptor(s.process().openGroup(s.groupName));
  }),
]);
