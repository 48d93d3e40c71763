import type { VfioKernel } from '../../lib/kernel/kernel.js';
import { linuxKernel } from '../../lib/kernel/linux/linux.js';
import { SoftwareMachine } from '../../lib/software/machine/software-machine.js';
import { addon } from '../../lib/native/addon.js';
import { BDF } from '../guest/devices.js';
import { bindToVfio } from './bind-to-vfio.js';
import { cdevOf } from './cdev-of.js';
import { ForkedProcess } from './other-process.js';
import type { World, WorldGroup } from './world.js';

/** Both sides, with equal set-ups. */
export interface Worlds {
  readonly real: World;
  readonly software: World;
  close(): Promise<void>;
}

/** Opens both sides. */
export async function openWorlds(): Promise<Worlds> {
  const groups = await realGroups();
  const real: World & { other: ForkedProcess } = {
    kernel: linuxKernel(),
    other: await ForkedProcess.start(),
    groups,
    addon,
  };
  const machine = await softwareMachine(groups);
  const kernel = machine.process();
  const software: World = { kernel, other: machine.process(), groups: await groupsOf(kernel, groups), addon };
  return {
    real,
    software,
    close: async () => {
      await real.other.stop();
      await machine.close();
    },
  };
}

/** The same devices in the same groups, bound to the same drivers. The guest's IOMMU cannot track, its kernel has no huge pages. */
async function softwareMachine(groups: readonly WorldGroup[]): Promise<SoftwareMachine> {
  const machine = new SoftwareMachine({ dirtyTracking: false, transparentHugepages: false });
  const numberOf = (bdf: string) => Number(groups.find((group) => group.device === bdf)?.name);
  for (const { device } of groups) await machine.addDevice({ name: device, group: numberOf(device), model: 'edu' });
  await machine.addDevice({ name: BDF.pairTestdev, group: numberOf(BDF.pairEdu) });
  await machine.addDevice({ name: BDF.blocker, group: numberOf(BDF.blockedEdu), driver: 'virtio-pci' });
  return machine;
}

/** The same groups with the names of the machine's own nodes. */
function groupsOf({ sysfs }: VfioKernel, groups: readonly WorldGroup[]): Promise<WorldGroup[]> {
  return Promise.all(groups.map(async (group) => ({ ...group, cdev: await cdevOf(sysfs, group.device) })));
}

/**
 * Binds the guest's edus to vfio-pci: two in groups of their own, one with a function without a driver, and one with a
 * function that has an ordinary driver.
 */
async function realGroups(): Promise<WorldGroup[]> {
  const groups: WorldGroup[] = [];
  for (const bdf of [BDF.edu, BDF.eduWide, BDF.pairEdu, BDF.blockedEdu]) groups.push(await bindToVfio(bdf));
  return groups;
}
