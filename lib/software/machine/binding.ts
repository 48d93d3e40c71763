import { VfioGroup } from '../group/vfio-group.js';
import type { VfioGroupType } from '../iommu/iommu-driver.js';
import type { IommuGroup } from '../iommu/iommu-group.js';
import type { MachineDevice } from './machine-device.js';
import type { Mutex } from '../../base/mutex.js';
import { failWith } from '../base/errno-failure.js';
import { VfioDevice } from '../group/vfio-device.js';
import { VfioPci } from '../pci/vfio-pci.js';
import { logKernelWarning } from '../base/kernel-log.js';
import { lowestFree } from '../base/lowest-free.js';

/** The parts of the machine that VFIO drivers use when they bind. */
export interface DriverCore {
  /** The module parameter vfio.enable_unsafe_noiommu_mode. */
  readonly noiommu: boolean;
  /** Held while VFIO groups come and go. Source: vfio.group_lock */
  readonly lock: Mutex;
  /** The VFIO group of each IOMMU group that has a device with a VFIO driver. */
  readonly vfioGroups: Map<IommuGroup, VfioGroup>;
  /** The devices with a VFIO driver, by the number in the names of their nodes. */
  readonly vfioDevices: Map<number, VfioDevice>;
  /** Makes an empty IOMMU group with a free number. */
  createIommuGroup(): IommuGroup;
  /** Forgets an empty IOMMU group. */
  dropIommuGroup(group: IommuGroup): void;
}

/** Registers a device with VFIO, in the VFIO group of its IOMMU group. @throws EINVAL if the device has no group */
export async function bindVfio(core: DriverCore, device: MachineDevice): Promise<void> {
  const type = groupType(core, device);
  const group = await core.lock.run(() => {
    const iommuGroup = device.iommuGroup ?? makeGroup(core, device);
    const present = core.vfioGroups.get(iommuGroup);
    if (present !== undefined) {
      present.drivers += 1;
      return present;
    }
    const created = new VfioGroup(iommuGroup, type);
    core.vfioGroups.set(iommuGroup, created);
    return created;
  });
  const vfio = new VfioDevice(device, group, new VfioPci(device), lowestFree(core.vfioDevices));
  core.vfioDevices.set(vfio.index, vfio);
  device.vfio = vfio;
  await vfio.register();
}

/** Unregisters a device. Waits until its users closed it. The last device of a group revokes the group. */
export async function unbindVfio(core: DriverCore, device: MachineDevice): Promise<void> {
  const { vfio } = device;
  if (vfio === null) return;
  await vfio.unregister();
  core.vfioDevices.delete(vfio.index);
  device.vfio = null;
  const { group } = vfio;
  await core.lock.run(async () => {
    const { iommuGroup } = group;
    group.drivers -= 1;
    if (group.drivers === 0 && iommuGroup !== null) {
      core.vfioGroups.delete(iommuGroup);
      await group.revoke();
    }
    if (group.type !== 'iommu' && iommuGroup !== null) dropGroup(core, device, iommuGroup);
  });
}

function groupType(core: DriverCore, device: MachineDevice): VfioGroupType {
  if (device.mediated) return 'emulated';
  if (device.iommuGroup !== null) return 'iommu';
  if (!core.noiommu) failWith('EINVAL');
  logKernelWarning(device.name, 'bound without an IOMMU: a noiommu group has no protection');
  return 'noiommu';
}

/** Makes a group for a mediated device, or for a device without an IOMMU. The group exists while the device is bound. */
function makeGroup(core: DriverCore, device: MachineDevice): IommuGroup {
  const group = core.createIommuGroup();
  group.devices.push(device);
  device.iommuGroup = group;
  return group;
}

function dropGroup(core: DriverCore, device: MachineDevice, group: IommuGroup): void {
  group.devices.splice(group.devices.indexOf(device), 1);
  device.iommuGroup = null;
  core.dropIommuGroup(group);
}
