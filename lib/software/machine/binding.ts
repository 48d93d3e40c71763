import { VfioGroup, type VfioGroupType } from '../group/group.js';
import type { IommuGroup } from '../group/iommu-group.js';
import type { MachineDevice } from './machine-device.js';
import type { Mutex } from '../mutex.js';
import { refuse } from '../refusal.js';
import { VfioDevice } from '../group/vfio-device.js';
import { VfioPci } from '../pci/vfio-pci.js';
import { warn } from '../warnings.js';

/** What binding to VFIO drivers shares. */
export interface DriverCore {
  /** The module parameter vfio.enable_unsafe_noiommu_mode. */
  readonly noiommu: boolean;
  /** Held while VFIO groups come and go. */
  readonly lock: Mutex;
  readonly vfioGroups: Map<IommuGroup, VfioGroup>;
  createIommuGroup(): IommuGroup;
  dropIommuGroup(group: IommuGroup): void;
}

/** Registers a device with VFIO, in its IOMMU group's VFIO group. @throws EINVAL without a group */
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
  const vfio = new VfioDevice(device, group, new VfioPci(device));
  device.vfio = vfio;
  await vfio.register();
}

/** Unregisters a device: waits for its users. The last one of a group takes the group from those who have it open. */
export async function unbindVfio(core: DriverCore, device: MachineDevice): Promise<void> {
  const { vfio } = device;
  if (vfio === null) return;
  await vfio.unregister();
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
  if (!core.noiommu) refuse('EINVAL');
  warn(device.name, 'bound without an IOMMU: a noiommu group has no protection');
  return 'noiommu';
}

/** A mediated device, or any where there is no IOMMU, gets a group of its own for as long as it is bound. */
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
