import assert from 'node:assert/strict';

import { SoftwareMachine } from '../../../lib/software/machine/software-machine.js';
import type { SoftwareProcess } from '../../../lib/software/machine/software-process.js';
import { VFIO_TYPE1v2_IOMMU } from '../../../lib/uapi/vfio.js';
import { outcome, PlainHost, RecordingDomain } from './fixture.js';

const DEVICE = 'f001:00:04.0';
const SIBLING = 'f001:00:04.1';
const MDEV = '83b8f4f2-509f-382f-3c1e-e6bfe0fa1001';

describe('software core: sysfs', () => {
  let machine: SoftwareMachine;
  let kernel: SoftwareProcess;
  const text = async (path: string): Promise<string> => Buffer.from(await kernel.sysfs.readFile(path)).toString();
  const failure = (call: Promise<unknown>): Promise<string> => outcome(() => call);

  beforeEach(async () => {
    machine = new SoftwareMachine({ createDomain: () => new RecordingDomain(), probeMemory: () => true });
    await machine.addDevice({
      name: DEVICE,
      group: 26,
      start: () => Promise.resolve(new PlainHost()),
      identity: { vendorId: 0x1234, deviceId: 0x11e8, classCode: 0x00ff00 },
      reservedRegions: [{ start: 0x1000n, last: 0x1fffn, type: 'direct' }],
    });
    await machine.addDevice({ name: SIBLING, group: 26, driver: 'virtio-pci', nativeDriver: 'virtio-pci' });
    kernel = machine.process();
  });
  afterEach(() => machine.close());

  it('shows a device in the form of the kernel', async () => {
    const path = `/sys/bus/pci/devices/${DEVICE}`;
    assert.equal(await kernel.sysfs.readlink(path), `../../../devices/pcif001:00/${DEVICE}`);
    assert.equal(await text(`${path}/vendor`), '0x1234\n');
    assert.equal(await text(`${path}/device`), '0x11e8\n');
    assert.equal(await text(`${path}/class`), '0x00ff00\n');
    assert.equal(await text(`${path}/driver_override`), '(null)\n');
    assert.equal(await kernel.sysfs.readlink(`${path}/iommu_group`), '../../../kernel/iommu_groups/26');
    assert.equal(await kernel.sysfs.readlink(`${path}/driver`), '../../../bus/pci/drivers/vfio-pci');
    assert.deepEqual(await kernel.sysfs.readdir(`${path}/iommu_group/devices`), [DEVICE, SIBLING]);
    assert.deepEqual(await kernel.sysfs.readdir('/sys/bus/pci/drivers/virtio-pci'), ['bind', 'unbind', SIBLING]);
    assert.equal(await text(`${path}/../${SIBLING}/vendor`), '0xffff\n');
  });

  it('shows the reserved ranges of a group', async () => {
    assert.equal(
      await text('/sys/kernel/iommu_groups/26/reserved_regions'),
      '0x0000000000001000 0x0000000000001fff direct\n0x00000000fee00000 0x00000000feefffff msi\n',
    );
  });

  it('answers for missing paths with the errno of a file system', async () => {
    assert.equal(await failure(kernel.sysfs.readFile('/sys/bus/pci/devices/0000:00:00.0/vendor')), '-1 ENOENT');
    assert.equal(await failure(kernel.sysfs.readFile(`/sys/bus/pci/devices/${DEVICE}`)), '-1 EISDIR');
    assert.equal(await failure(kernel.sysfs.readdir(`/sys/bus/pci/devices/${DEVICE}/vendor`)), '-1 ENOTDIR');
    assert.equal(await failure(kernel.sysfs.readFile(`/sys/bus/pci/devices/${DEVICE}/vendor/x`)), '-1 ENOTDIR');
    assert.equal(await failure(kernel.sysfs.readlink(`/sys/bus/pci/devices/${DEVICE}/vendor`)), '-1 EINVAL');
    assert.equal(await failure(kernel.sysfs.writeFile(`/sys/bus/pci/devices/${DEVICE}/vendor`, '1')), '-1 EACCES');
    assert.equal(await failure(kernel.sysfs.readFile('/sys/bus/pci/drivers_probe')), '-1 EACCES');
    assert.equal(await kernel.sysfs.exists('/sys/bus/mdev'), false);
  });

  it('moves a device between drivers by driver_override, unbind and drivers_probe', async () => {
    const path = `/sys/bus/pci/devices/${SIBLING}`;
    const { sysfs } = kernel;
    assert.equal(await failure(sysfs.writeFile('/sys/bus/pci/drivers/vfio-pci/bind', SIBLING)), '-1 ENODEV');
    assert.equal(await failure(sysfs.writeFile('/sys/bus/pci/drivers/vfio-pci/unbind', SIBLING)), '-1 ENODEV');
    await sysfs.writeFile(`${path}/driver_override`, 'vfio-pci');
    await sysfs.writeFile(`${path}/driver/unbind`, SIBLING);
    assert.equal(await sysfs.exists(`${path}/driver`), false);
    await sysfs.writeFile('/sys/bus/pci/drivers_probe', `${SIBLING}\n`);
    assert.equal(await sysfs.readlink(`${path}/driver`), '../../../bus/pci/drivers/vfio-pci');
    await sysfs.writeFile(`${path}/driver/unbind`, SIBLING);
    await sysfs.writeFile(`${path}/driver_override`, '\n');
    await sysfs.writeFile('/sys/bus/pci/drivers_probe', SIBLING);
    assert.equal(await sysfs.readlink(`${path}/driver`), '../../../bus/pci/drivers/virtio-pci');
  });

  it('rejects an ordinary driver while a user owns the DMA of the group', async () => {
    await machine.unbindDriver(SIBLING);
    const container = await kernel.openContainer();
    const group = await kernel.openGroup('26');
    await kernel.setContainer(group, container);
    assert.equal(await failure(machine.bindDriver(SIBLING, 'virtio-pci')), '-1 EBUSY');
    assert.equal(await failure(machine.bindDriver(SIBLING, 'pci-stub')), '0');
    assert.equal(await failure(machine.bindDriver(SIBLING, 'pci-stub')), '-1 EBUSY');
    await kernel.unsetContainer(group);
    await machine.unbindDriver(SIBLING);
    assert.equal(await failure(machine.bindDriver(SIBLING, 'virtio-pci')), '0');
  });

  it('makes a group for a mediated device while it is bound', async () => {
    await machine.addDevice({ name: MDEV, start: () => Promise.resolve(new PlainHost()) });
    const path = `/sys/bus/mdev/devices/${MDEV}`;
    const group = (await kernel.sysfs.readlink(`${path}/iommu_group`)).split('/').at(-1) ?? '';
    assert.equal(await kernel.sysfs.readlink(`${path}/driver`), '../../../bus/mdev/drivers/vfio_mdev');
    const container = await kernel.openContainer();
    const groupFd = await kernel.openGroup(group);
    await kernel.setContainer(groupFd, container);
    await kernel.setIommu(container, VFIO_TYPE1v2_IOMMU);
    await kernel.mapDma(container, { flags: 3, iova: 0xfee00000n, vaddr: 0x10000n, size: 4096n });
    await kernel.getDeviceFd(groupFd, MDEV);
    await kernel.exit();
    await machine.unbindDriver(MDEV);
    assert.equal(await kernel.sysfs.exists(`${path}/iommu_group`), false);
    assert.equal(await kernel.sysfs.exists(`/sys/kernel/iommu_groups/${group}`), false);
  });

  it('binds no device to VFIO if the machine has neither an IOMMU nor the noiommu mode', async () => {
    const without = new SoftwareMachine({ iommu: false });
    await without.addDevice({ name: DEVICE, driver: null });
    assert.equal(await failure(without.bindDriver(DEVICE, 'vfio-pci')), '-1 EINVAL');
    assert.equal(await failure(without.addDevice({ name: DEVICE, driver: null })), '-1 EEXIST');
    assert.equal(await failure(without.bindDriver('nothing', 'vfio-pci')), '-1 ENODEV');
    await without.close();
  });
});
