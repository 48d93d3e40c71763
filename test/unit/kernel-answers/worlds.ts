import { SoftwareMachine } from '../../../lib/software/machine/software-machine.js';
import type { DeviceOptions, MachineOptions } from '../../../lib/software/machine/machine-options.js';
import type { World } from './scenario.js';

const model = (name: string): URL => new URL(`./models/${name}.js`, import.meta.url);

const DEVICE = 'f001:00:04.0';
export const SECOND_DEVICE = 'f001:00:05.0';
export const SECOND_GROUP = '27';
/** Devices of the reference that the built-in models do not match. */
export const MAPPABLE = { group: '28', device: 'f001:00:08.0' };
export const PCI_TESTDEV = { group: '29', device: 'f001:00:09.0' };
export const MANY_VECTORS = { group: '33', device: 'f001:00:0a.0' };

/** Groups of several functions: without a driver beside it, with an ordinary driver, with vfio-pci for both. */
export const THREE = { group: '30', device: 'f001:00:1f.0', siblings: ['f001:00:1f.2', 'f001:00:1f.3'] };
export const MIXED = { group: '31', device: 'f001:00:06.0', sibling: 'f001:00:06.1' };
export const BOTH = { group: '32', device: 'f001:00:07.0', sibling: 'f001:00:07.1' };

function edu(name: string, group: number, more: Partial<DeviceOptions> = {}): DeviceOptions {
  return { name, group, model: model('edu-without-reset'), ...more };
}

/** Makes a machine whose devices each have their own group. */
export async function twoDevices(options: MachineOptions = {}): Promise<World> {
  const machine = new SoftwareMachine(options);
  await machine.addDevice(edu(DEVICE, 26));
  await machine.addDevice({ name: SECOND_DEVICE, group: Number(SECOND_GROUP), model: 'testdev' });
  for (const [name, { group, device }] of [
    ['mappable-edu', MAPPABLE],
    ['pci-testdev', PCI_TESTDEV],
    ['many-vectors', MANY_VECTORS],
  ] as const) {
    await machine.addDevice({ name: device, group: Number(group), model: model(name) });
  }
  return { machine, group: '26', device: DEVICE };
}

/** Makes a machine without an IOMMU, with the noiommu mode. */
export async function noiommu(): Promise<World> {
  const machine = new SoftwareMachine({ iommu: false, noiommu: true });
  await machine.addDevice(edu(DEVICE, 0));
  return { machine, group: 'noiommu-0', device: DEVICE };
}

/** Makes a machine with groups of several functions. */
export async function severalFunctions(): Promise<World> {
  const machine = new SoftwareMachine();
  await machine.addDevice(edu(THREE.device, Number(THREE.group)));
  for (const name of THREE.siblings) await machine.addDevice({ name, group: Number(THREE.group) });
  await machine.addDevice(edu(MIXED.device, Number(MIXED.group)));
  await machine.addDevice({
    name: MIXED.sibling,
    group: Number(MIXED.group),
    driver: 'virtio-pci',
    nativeDriver: 'virtio-pci',
  });
  for (const name of [BOTH.device, BOTH.sibling]) await machine.addDevice(edu(name, Number(BOTH.group)));
  return { machine, group: THREE.group, device: THREE.device };
}
