import type { DirtyRange, IovaRange } from '../base/iova-range.js';
import type { DmaPieces, Fd } from './kernel.js';

/**
 * The kernel's iommufd operations and those of device nodes (/dev/vfio/devices). The iommufd backend calls them. An id (of an
 * IOAS, a hardware page table or a device) is a number within one iommufd. Every method throws (or rejects with) a
 * `VfioError` whose `code` is an errno name. A kernel that lacks a call fails with ENOTTY.
 *
 * Source: linux/iommufd.h, linux/vfio.h (6.12).
 * Thread: as VfioKernel.
 */
export interface IommufdKernel {
  /** open(/dev/iommu). @throws ENOENT if the kernel has no iommufd; EACCES */
  openIommufd(): Promise<Fd>;
  /** open(/dev/vfio/devices/NAME). Until the device is bound, only a bind works on it. @param name such as `vfio0` */
  openCdev(name: string): Promise<Fd>;
  /**
   * ioctl(VFIO_DEVICE_BIND_IOMMUFD): opens the device and binds it to the iommufd until its descriptor is closed.
   * @returns the device's id
   * @throws EPERM if another driver or iommufd has a function of its group; EBUSY if its group is open; EINVAL if the
   *   device is bound; EBADFD if `iommufd` is not an iommufd
   */
  bindIommufd(device: Fd, iommufd: Fd): Promise<number>;
  /**
   * ioctl(VFIO_DEVICE_ATTACH_IOMMUFD_PT)
   * @param ptId the id of an IOAS or a hardware page table; an attached device moves to it
   * @returns the hardware page table's id
   */
  attachIommufdPt(device: Fd, ptId: number): Promise<number>;
  /** ioctl(VFIO_DEVICE_DETACH_IOMMUFD_PT): all DMA of the device faults from now on. Does nothing if it is detached. */
  detachIommufdPt(device: Fd): Promise<void>;

  /** ioctl(IOMMU_DESTROY). @throws EBUSY while the object is in use; ENOENT */
  destroy(iommufd: Fd, id: number): Promise<void>;
  /** ioctl(IOMMU_IOAS_ALLOC). @returns the id of an empty IOAS */
  allocIoas(iommufd: Fd): number;
  /** ioctl(IOMMU_IOAS_IOVA_RANGES): the ranges that can be mapped with the devices attached now. */
  getIovaRanges(iommufd: Fd, ioasId: number): IoasIovaRanges;
  /**
   * ioctl(IOMMU_IOAS_ALLOW_IOVAS): a later device whose reserved ranges meet these ranges cannot be attached.
   * @param ranges of whole pages; an empty list removes the restriction
   */
  allowIovas(iommufd: Fd, ioasId: number, ranges: readonly IovaRange[]): void;
  /**
   * ioctl(IOMMU_IOAS_MAP): pins memory of this process and maps it.
   * @returns the IOVA; the kernel chooses it unless the flags have FIXED_IOVA
   * @throws EINVAL, EEXIST; EFAULT if the memory cannot be pinned; ENOMEM
   */
  mapIoas(iommufd: Fd, map: IoasMap): Promise<bigint>;
  /** ioctl(IOMMU_IOAS_MAP_FILE): pins and maps the memory of a memfd. Since Linux 6.13. @throws ENOTTY before it */
  mapIoasFile(iommufd: Fd, map: IoasFileMap): Promise<bigint>;
  /** ioctl(IOMMU_IOAS_MAP) for many pieces, as `VfioKernel.mapDmaPieces`. */
  mapIoasPieces?(iommufd: Fd, ioasId: number, flags: number, pieces: DmaPieces): Promise<number>;
  /**
   * ioctl(IOMMU_IOAS_UNMAP): unmaps whole areas only. IOVA 0n with size 2^64 - 1 unmaps everything.
   * @returns how many bytes were unmapped
   * @throws ENOENT if nothing is mapped there, or the range cuts an area
   */
  unmapIoas(iommufd: Fd, ioasId: number, iova: bigint, size: bigint): Promise<bigint>;
  /** ioctl(IOMMU_IOAS_COPY): maps memory of one IOAS in another; it is pinned and accounted once. @returns the IOVA */
  copyIoas(iommufd: Fd, copy: IoasCopy): Promise<bigint>;
  /** ioctl(IOMMU_OPTION, GET). @returns the value of the option */
  getOption(iommufd: Fd, optionId: number, objectId: number): bigint;
  /** ioctl(IOMMU_OPTION, SET) */
  setOption(iommufd: Fd, optionId: number, objectId: number, value: bigint): void;

  /** ioctl(IOMMU_HWPT_ALLOC). @param flags IOMMU_HWPT_ALLOC_* @returns the hardware page table's id */
  allocHwpt(iommufd: Fd, flags: number, deviceId: number, ioasId: number): Promise<number>;
  /** ioctl(IOMMU_HWPT_SET_DIRTY_TRACKING). @throws EOPNOTSUPP if the page table was allocated without it */
  setHwptDirtyTracking(iommufd: Fd, hwptId: number, enabled: boolean): Promise<void>;
  /** ioctl(IOMMU_HWPT_GET_DIRTY_BITMAP). @returns a bit for each page, the first page in bit 0 of byte 0 */
  getHwptDirtyBitmap(iommufd: Fd, hwptId: number, range: HwptDirtyRange): Promise<Uint8Array>;
  /** ioctl(IOMMU_GET_HW_INFO): the kind and the capabilities of the IOMMU of a device. @throws EOPNOTSUPP */
  getHwInfo(iommufd: Fd, deviceId: number): IommuHwInfo;
}

/** struct iommu_ioas_iova_ranges */
export interface IoasIovaRanges {
  /** The alignment of an IOVA, in bytes. */
  readonly iovaAlignment: bigint;
  /** The ranges that can be mapped. */
  readonly ranges: readonly IovaRange[];
}

/** struct iommu_ioas_map. `flags` are IOMMU_IOAS_MAP_*. The kernel uses `iova` only with FIXED_IOVA. */
export interface IoasMap {
  /** The IOAS. */
  readonly ioasId: number;
  /** IOMMU_IOAS_MAP_* */
  readonly flags: number;
  /** The address of the memory in this process. */
  readonly vaddr: bigint;
  /** The first IOVA, with FIXED_IOVA. */
  readonly iova: bigint;
  /** Bytes. */
  readonly size: bigint;
}

/** struct iommu_ioas_map_file. `start` is the offset in the file, bytes. */
export interface IoasFileMap {
  /** The IOAS. */
  readonly ioasId: number;
  /** IOMMU_IOAS_MAP_* */
  readonly flags: number;
  /** The memfd. */
  readonly file: Fd;
  /** The offset in the file, in bytes. */
  readonly start: bigint;
  /** The first IOVA, with FIXED_IOVA. */
  readonly iova: bigint;
  /** Bytes. */
  readonly size: bigint;
}

/** struct iommu_ioas_copy. `flags` are those of a map. */
export interface IoasCopy {
  /** IOMMU_IOAS_MAP_* */
  readonly flags: number;
  /** The IOAS that gets the mapping. */
  readonly toIoasId: number;
  /** The IOAS that has the mapping. */
  readonly fromIoasId: number;
  /** The first IOVA of the new mapping, with FIXED_IOVA. */
  readonly toIova: bigint;
  /** The first IOVA of the existing mapping. */
  readonly fromIova: bigint;
  /** Bytes. */
  readonly size: bigint;
}

/** struct iommu_hwpt_get_dirty_bitmap. */
export interface HwptDirtyRange extends DirtyRange {
  /** Whether the pages stay dirty in the kernel's record. Default false: reading clears it. */
  readonly keep?: boolean;
}

/** struct iommu_hw_info. The layout of `data` depends on `type`; at most 256 bytes. */
export interface IommuHwInfo {
  /** IOMMU_HW_INFO_TYPE_* */
  readonly type: number;
  /** IOMMU_HW_CAP_* */
  readonly capabilities: bigint;
  /** The registers of the IOMMU. */
  readonly data: Uint8Array;
}
