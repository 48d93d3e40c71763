import type { DeviceExtras } from '../kernel/device-extras.js';
import type { IommufdKernel } from '../kernel/iommufd.js';
import type { VfioKernel } from '../kernel/kernel.js';
import type { ErrnoName } from '../uapi/errno.js';

/**
 * A call of the kernel that a fault can be injected into: a method of `VfioKernel`, `IommufdKernel` or `DeviceExtras` that
 * makes a system call.
 */
export type FaultableCall =
  | Exclude<keyof VfioKernel, 'kind' | 'sysfs' | 'resolveName' | 'lockedMemory' | 'ioTarget' | 'watchRemoval'>
  | keyof IommufdKernel
  | keyof DeviceExtras;

/** How a call fails. */
interface CallFacts {
  /** The system call, as an error names it. */
  readonly syscall: string;
  /** Whether the method throws instead of returning a promise. */
  readonly throws?: true;
  /** The errors that a random fault chooses from. Without them only an explicit fault is injected. */
  readonly errnos?: readonly ErrnoName[];
}

/**
 * All calls. The random errors are those that a healthy program meets: no files, no memory, a device in use, a bus that does
 * not answer. Calls that a healthy kernel never fails, such as closing a file, have none.
 */
export const KERNEL_CALLS: Readonly<Record<FaultableCall, CallFacts>> = {
  close: { syscall: 'close' },
  openContainer: { syscall: 'open', errnos: ['EMFILE'] },
  getApiVersion: { syscall: 'ioctl(VFIO_GET_API_VERSION)', throws: true },
  checkExtension: { syscall: 'ioctl(VFIO_CHECK_EXTENSION)', throws: true },
  setIommu: { syscall: 'ioctl(VFIO_SET_IOMMU)', errnos: ['EBUSY', 'ENOMEM'] },
  getIommuInfo: { syscall: 'ioctl(VFIO_IOMMU_GET_INFO)', throws: true },
  mapDma: { syscall: 'ioctl(VFIO_IOMMU_MAP_DMA)', errnos: ['ENOMEM', 'EFAULT'] },
  mapDmaPieces: { syscall: 'ioctl(VFIO_IOMMU_MAP_DMA)' },
  unmapDma: { syscall: 'ioctl(VFIO_IOMMU_UNMAP_DMA)' },
  setDirtyTracking: { syscall: 'ioctl(VFIO_IOMMU_DIRTY_PAGES)', errnos: ['ENOMEM'] },
  getDirtyBitmap: { syscall: 'ioctl(VFIO_IOMMU_DIRTY_PAGES)', errnos: ['ENOMEM'] },
  openGroup: { syscall: 'open', errnos: ['EBUSY', 'EMFILE'] },
  getGroupStatus: { syscall: 'ioctl(VFIO_GROUP_GET_STATUS)', throws: true },
  setContainer: { syscall: 'ioctl(VFIO_GROUP_SET_CONTAINER)', errnos: ['EBUSY', 'ENOMEM'] },
  unsetContainer: { syscall: 'ioctl(VFIO_GROUP_UNSET_CONTAINER)' },
  getDeviceFd: { syscall: 'ioctl(VFIO_GROUP_GET_DEVICE_FD)', errnos: ['ENODEV', 'EMFILE'] },
  getDeviceInfo: { syscall: 'ioctl(VFIO_DEVICE_GET_INFO)', throws: true },
  getRegionInfo: { syscall: 'ioctl(VFIO_DEVICE_GET_REGION_INFO)', throws: true },
  getIrqInfo: { syscall: 'ioctl(VFIO_DEVICE_GET_IRQ_INFO)', throws: true },
  getDeviceInfos: { syscall: 'ioctl(VFIO_DEVICE_GET_REGION_INFO)', throws: true },
  setIrqs: { syscall: 'ioctl(VFIO_DEVICE_SET_IRQS)', errnos: ['ENOSPC', 'ENOMEM'] },
  resetDevice: { syscall: 'ioctl(VFIO_DEVICE_RESET)' },
  pread: { syscall: 'pread', errnos: ['EIO'] },
  pwrite: { syscall: 'pwrite', errnos: ['EIO'] },
  mmap: { syscall: 'mmap', errnos: ['ENOMEM', 'EINVAL'] },
  restoreMapping: { syscall: 'mmap', errnos: ['ENOMEM'] },

  openIommufd: { syscall: 'open', errnos: ['EMFILE'] },
  openCdev: { syscall: 'open', errnos: ['EMFILE'] },
  bindIommufd: { syscall: 'ioctl(VFIO_DEVICE_BIND_IOMMUFD)', errnos: ['EBUSY'] },
  attachIommufdPt: { syscall: 'ioctl(VFIO_DEVICE_ATTACH_IOMMUFD_PT)', errnos: ['ENOMEM'] },
  detachIommufdPt: { syscall: 'ioctl(VFIO_DEVICE_DETACH_IOMMUFD_PT)' },
  destroy: { syscall: 'ioctl(IOMMU_DESTROY)' },
  allocIoas: { syscall: 'ioctl(IOMMU_IOAS_ALLOC)', throws: true, errnos: ['ENOMEM'] },
  getIovaRanges: { syscall: 'ioctl(IOMMU_IOAS_IOVA_RANGES)', throws: true },
  allowIovas: { syscall: 'ioctl(IOMMU_IOAS_ALLOW_IOVAS)', throws: true },
  mapIoas: { syscall: 'ioctl(IOMMU_IOAS_MAP)', errnos: ['ENOMEM', 'EFAULT'] },
  mapIoasFile: { syscall: 'ioctl(IOMMU_IOAS_MAP_FILE)', errnos: ['ENOMEM'] },
  mapIoasPieces: { syscall: 'ioctl(IOMMU_IOAS_MAP)' },
  unmapIoas: { syscall: 'ioctl(IOMMU_IOAS_UNMAP)' },
  copyIoas: { syscall: 'ioctl(IOMMU_IOAS_COPY)', errnos: ['ENOMEM'] },
  getOption: { syscall: 'ioctl(IOMMU_OPTION)', throws: true },
  setOption: { syscall: 'ioctl(IOMMU_OPTION)', throws: true },
  allocHwpt: { syscall: 'ioctl(IOMMU_HWPT_ALLOC)', errnos: ['ENOMEM'] },
  setHwptDirtyTracking: { syscall: 'ioctl(IOMMU_HWPT_SET_DIRTY_TRACKING)', errnos: ['ENOMEM'] },
  getHwptDirtyBitmap: { syscall: 'ioctl(IOMMU_HWPT_GET_DIRTY_BITMAP)', errnos: ['ENOMEM'] },
  getHwInfo: { syscall: 'ioctl(IOMMU_GET_HW_INFO)' },

  getHotResetInfo: { syscall: 'ioctl(VFIO_DEVICE_GET_PCI_HOT_RESET_INFO)', throws: true },
  hotReset: { syscall: 'ioctl(VFIO_DEVICE_PCI_HOT_RESET)' },
  hasFeature: { syscall: 'ioctl(VFIO_DEVICE_FEATURE)', throws: true },
  getFeature: { syscall: 'ioctl(VFIO_DEVICE_FEATURE)' },
  setFeature: { syscall: 'ioctl(VFIO_DEVICE_FEATURE)' },
  setIoeventfd: { syscall: 'ioctl(VFIO_DEVICE_IOEVENTFD)', errnos: ['ENOSPC'] },
};

/** Tells whether a property of a kernel is a call that a fault can be injected into. */
export function isFaultableCall(name: PropertyKey): name is FaultableCall {
  return Object.hasOwn(KERNEL_CALLS, name);
}
