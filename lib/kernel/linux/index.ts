/**
 * The kernel's operations as one replaceable interface, and the real kernel.
 *
 * @module vfio-engine/kernel
 */
export { linuxKernel, type LinuxKernel } from './linux.js';
export type {
  ConnectionHandle,
  DeviceInfo,
  DeviceInfos,
  DmaMap,
  DmaPieces,
  DmaUnmap,
  DmaUnmapResult,
  Fd,
  GroupStatus,
  IommuInfo,
  IoTarget,
  IrqInfo,
  IrqSet,
  MappingHandle,
  RegionCapabilities,
  RegionInfo,
  VfioKernel,
} from '../kernel.js';
export type { DependentDevice, DeviceExtras, HotResetInfo, Ioeventfd } from '../device-extras.js';
export type {
  HwptDirtyRange,
  IoasCopy,
  IoasFileMap,
  IoasIovaRanges,
  IoasMap,
  IommufdKernel,
  IommuHwInfo,
} from '../iommufd.js';
export type { LockedMemory } from '../locked-memory.js';
export type { Sysfs } from '../sysfs.js';
