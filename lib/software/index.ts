/**
 * The software core: a machine in this process, with the devices and the answers of a VFIO kernel.
 *
 * @packageDocumentation
 */
export { SoftwareMachine } from './machine/software-machine.js';
export { createDefaultMachine, defaultMachine } from './machine/default-machine.js';
export type { SoftwareProcess } from './machine/software-process.js';
export type { DeviceOptions, MachineOptions, ProcessOptions } from './machine/machine-options.js';
