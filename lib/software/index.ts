/**
 * The software core: a machine in this process, with the devices and the answers of a VFIO kernel.
 *
 * @module vfio-engine/software
 */
export { SoftwareMachine } from './machine/software-machine.js';
export type { IommufdProcess } from './machine/iommufd-process.js';
export type { ProcessCalls } from './machine/process-calls.js';
export type { SoftwareProcess } from './machine/software-process.js';
export { createDefaultMachine, defaultMachine } from './machine/default-machine.js';
export type { DeviceOptions, MachineOptions, ProcessOptions } from './machine/machine-options.js';
export type { KvmReference } from './group/vfio-group.js';

export type { KernelWarning } from './base/kernel-log.js';
export type { DmaFaultMessage } from './iommu/dma-faults.js';

export type * from '../kernel/iommufd.js';
export type * from '../kernel/kernel.js';
export type { Sysfs } from '../kernel/sysfs.js';
export type { LockedMemory } from '../kernel/locked-memory.js';
export type { DirtyRange, IovaRange, ReservedRange } from '../base/iova-range.js';
