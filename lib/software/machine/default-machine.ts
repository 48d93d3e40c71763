import { Once } from '../../base/once.js';
import { SoftwareMachine } from './software-machine.js';
import type { MachineOptions } from './machine-options.js';

/** The names of the devices of the default machine. No hardware has this PCI domain, so that names never collide. */
const DEFAULT_EDU = 'f000:00:04.0';
const DEFAULT_TESTDEV = 'f000:00:05.0';

const defaultMachineOnce = new Once<SoftwareMachine>();

/** Makes a machine with the two built-in models, each in its own group, with the aliases `edu` and `testdev`. */
export async function createDefaultMachine(options: MachineOptions = {}): Promise<SoftwareMachine> {
  const made = new SoftwareMachine(options);
  await made.addDevice({ name: DEFAULT_EDU, group: 0, model: 'edu' });
  await made.addDevice({ name: DEFAULT_TESTDEV, group: 1, model: 'testdev' });
  made.setAlias('edu', DEFAULT_EDU);
  made.setAlias('testdev', DEFAULT_TESTDEV);
  return made;
}

/**
 * Returns the default machine of this process. The first call makes it; a call after a failure tries again. A model
 * starts when its device is opened for the first time.
 */
export function defaultMachine(): Promise<SoftwareMachine> {
  return defaultMachineOnce.run(createDefaultMachine);
}
