/**
 * The numbers of the kernel's user interfaces, under their names in the kernel's headers.
 *
 * @module vfio-engine/uapi
 */
export * from './vfio.js';
export * from './iommufd.js';
export * from './pci.js';
