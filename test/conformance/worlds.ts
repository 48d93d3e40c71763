import { readdir, readFile, readlink, writeFile } from 'node:fs/promises';
import { basename } from 'node:path';

import { linuxKernel } from '../../lib/kernel/linux.js';
import { SoftwareMachine } from '../../lib/kernel/software/machine.js';
import { addon } from '../../lib/native/addon.js';
import { ForkedProcess } from './other-process.js';
import { SLOTS } from './program.js';
import type { World, WorldGroup } from './world.js';

const PCI_DEVICES = '/sys/bus/pci/devices';
/** QEMU's edu. */
const EDU = { vendor: '0x1234', device: '0x11e8' } as const;

/** Both sides, set up alike: as many groups as programs have slots, each of one edu on the root complex. */
export interface Worlds {
  readonly real: World;
  readonly software: World;
  close(): Promise<void>;
}

/** Opens both sides. @throws when the guest has too few edus */
export async function openWorlds(): Promise<Worlds> {
  const groups = await realGroups();
  const real: World & { other: ForkedProcess } = {
    kernel: linuxKernel(),
    other: await ForkedProcess.start(),
    groups,
    addon,
  };
  const machine = new SoftwareMachine();
  for (const group of groups) await machine.addDevice({ name: group.device, group: Number(group.name), model: 'edu' });
  const software: World = { kernel: machine.process(), other: machine.process(), groups, addon };
  return {
    real,
    software,
    close: async () => {
      await real.other.stop();
      await machine.close();
    },
  };
}

/** Binds the guest's edus to vfio-pci. */
async function realGroups(): Promise<WorldGroup[]> {
  const groups: WorldGroup[] = [];
  for (const bdf of (await readdir(PCI_DEVICES)).sort()) {
    if (groups.length === SLOTS.groups) break;
    if (!(await isEdu(bdf))) continue;
    await writeFile(`${PCI_DEVICES}/${bdf}/driver_override`, 'vfio-pci');
    await writeFile('/sys/bus/pci/drivers_probe', bdf);
    groups.push({ name: basename(await readlink(`${PCI_DEVICES}/${bdf}/iommu_group`)), device: bdf });
  }
  if (groups.length < SLOTS.groups) {
    throw new Error(
      `the guest has ${groups.length} edu devices in groups of their own, conformance wants ${SLOTS.groups}`,
    );
  }
  return groups;
}

async function isEdu(bdf: string): Promise<boolean> {
  const read = async (file: string) => (await readFile(`${PCI_DEVICES}/${bdf}/${file}`, 'utf8')).trim();
  return (await read('vendor')) === EDU.vendor && (await read('device')) === EDU.device;
}
