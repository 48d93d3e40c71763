/**
 * The kernel's operations as one replaceable interface, and the real kernel.
 *
 * @module vfio-engine/kernel
 */
export { linuxKernel, type LinuxKernel } from './linux.js';
export type { VfioKernel } from '../kernel.js';
export type { Sysfs } from '../sysfs.js';
