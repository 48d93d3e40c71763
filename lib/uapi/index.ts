/**
 * The numbers of the kernel's user interfaces, under their names in the kernel's headers.
 *
 * @packageDocumentation
 */
export * from './vfio.js';
export * from './iommufd.js';
export * from './pci.js';
