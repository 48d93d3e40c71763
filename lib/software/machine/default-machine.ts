import { Once } from '../../base/once.js';
import { SoftwareMachine } from './machine.js';
import type { MachineOptions } from './options.js';

/** The bus addresses of the default machine; a PCI domain that no hardware has, so that names never clash. */
export const DEFAULT_EDU = 'f000:00:04.0';
export const DEFAULT_TESTDEV = 'f000:00:05.0';

const machine = new Once<SoftwareMachine>();

/** Makes a machine with the two built-in models, each in a group of its own, under the aliases `edu` and `testdev`. */
export async function createDefaultMachine(options: MachineOptions = {}): Promise<SoftwareMachine> {
  const made = new SoftwareMachine(options);
  await made.addDevice({ name: DEFAULT_EDU, group: 0, model: 'edu' });
  await made.addDevice({ name: DEFAULT_TESTDEV, group: 1, model: 'testdev' });
  made.setAlias('edu', DEFAULT_EDU);
  made.setAlias('testdev', DEFAULT_TESTDEV);
  return made;
}

/**
 * Gives the process's default machine, made at the first call; its models run from their first open on. One that could not
 * be made is made anew.
 */
export function defaultMachine(): Promise<SoftwareMachine> {
  return machine.run(createDefaultMachine);
}
