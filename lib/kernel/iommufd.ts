import type { DmaPieces, Fd } from './kernel.js';

/**
 * The kernel's iommufd interface and the devices' own nodes, which the iommufd backend is written against. Ids (of an
 * IOAS, a hardware page table, a device) are numbers within one iommufd. Every method throws (or rejects with) a
 * `VfioError` whose `code` is an errno name; a kernel that lacks a call answers ENOTTY.
 *
 * Source: linux/iommufd.h, linux/vfio.h (6.12).
 * Thread: as VfioKernel.
 */
export interface IommufdKernel {
  /** open(/dev/iommu). @throws ENOENT where the kernel has no iommufd, EACCES */
  openIommufd(): Promise<Fd>;
  /** open(/dev/vfio/devices/NAME). @param name as `vfio0`. Nothing but a bind works until it is bound. */
  openCdev(name: string): Promise<Fd>;
  /**
   * ioctl(VFIO_DEVICE_BIND_IOMMUFD): opens the device and gives it to the iommufd until the descriptor is closed.
   * @returns the device's id
   * @throws EPERM when another driver or iommufd holds a function of its group, EBUSY when its group is open, EINVAL
   *   when it is bound, EBADFD for a file that is no iommufd
   */
  bindIommufd(device: Fd, iommufd: Fd): Promise<number>;
  /**
   * ioctl(VFIO_DEVICE_ATTACH_IOMMUFD_PT)
   * @param ptId an IOAS or a hardware page table; a device that is attached moves over
   * @returns the hardware page table's id
   */
  attachIommufdPt(device: Fd, ptId: number): Promise<number>;
  /** ioctl(VFIO_DEVICE_DETACH_IOMMUFD_PT): the device's DMA faults from now on. Detached already: nothing happens. */
  detachIommufdPt(device: Fd): Promise<void>;

  /** ioctl(IOMMU_DESTROY). @throws EBUSY while it is used, ENOENT */
  destroy(iommufd: Fd, id: number): Promise<void>;
  /** ioctl(IOMMU_IOAS_ALLOC). @returns the id of an empty IOAS */
  allocIoas(iommufd: Fd): number;
  /** ioctl(IOMMU_IOAS_IOVA_RANGES): what may be mapped, given the devices attached now. */
  getIovaRanges(iommufd: Fd, ioasId: number): IoasIovaRanges;
  /**
   * ioctl(IOMMU_IOAS_ALLOW_IOVAS): keeps these ranges free of later devices' reservations.
   * @param ranges inclusive, whole pages; none allows all
   */
  allowIovas(iommufd: Fd, ioasId: number, ranges: readonly { readonly start: bigint; readonly last: bigint }[]): void;
  /**
   * ioctl(IOMMU_IOAS_MAP): pins memory of this process and maps it.
   * @returns the iova, which the kernel chose unless the flags fix it
   * @throws EINVAL, EEXIST, EFAULT for memory that cannot be pinned, ENOMEM
   */
  mapIoas(iommufd: Fd, map: IoasMap): Promise<bigint>;
  /** ioctl(IOMMU_IOAS_MAP_FILE): the same of a memfd's memory. Linux 6.13. @throws ENOTTY before */
  mapIoasFile(iommufd: Fd, map: IoasFileMap): Promise<bigint>;
  /** ioctl(IOMMU_IOAS_MAP), as `VfioKernel.mapDmaPieces`. */
  mapIoasPieces?(iommufd: Fd, ioasId: number, flags: number, pieces: DmaPieces): Promise<number>;
  /**
   * ioctl(IOMMU_IOAS_UNMAP): whole areas alone; iova 0n with size 2^64 - 1 is all.
   * @returns the count of bytes unmapped
   * @throws ENOENT where nothing is mapped or an area would be cut
   */
  unmapIoas(iommufd: Fd, ioasId: number, iova: bigint, size: bigint): Promise<bigint>;
  /** ioctl(IOMMU_IOAS_COPY): maps in one IOAS what another has; the pages are pinned and accounted once. @returns the iova */
  copyIoas(iommufd: Fd, copy: IoasCopy): Promise<bigint>;
  /** ioctl(IOMMU_OPTION). @returns the value that holds */
  getOption(iommufd: Fd, optionId: number, objectId: number): bigint;
  setOption(iommufd: Fd, optionId: number, objectId: number, value: bigint): void;

  /** ioctl(IOMMU_HWPT_ALLOC). @param flags IOMMU_HWPT_ALLOC_* @returns the hardware page table's id */
  allocHwpt(iommufd: Fd, flags: number, deviceId: number, ioasId: number): Promise<number>;
  /** ioctl(IOMMU_HWPT_SET_DIRTY_TRACKING). @throws EOPNOTSUPP unless the page table was made for it */
  setHwptDirtyTracking(iommufd: Fd, hwptId: number, enabled: boolean): Promise<void>;
  /** ioctl(IOMMU_HWPT_GET_DIRTY_BITMAP). @returns a bit a page of `pageSize`, first page in bit 0 of byte 0 */
  getHwptDirtyBitmap(iommufd: Fd, hwptId: number, range: HwptDirtyRange): Promise<Uint8Array>;
  /** ioctl(IOMMU_GET_HW_INFO): which IOMMU a device stands behind and what it can. @throws EOPNOTSUPP */
  getHwInfo(iommufd: Fd, deviceId: number): IommuHwInfo;
}

/** struct iommu_ioas_iova_ranges; ranges are inclusive. */
export interface IoasIovaRanges {
  readonly iovaAlignment: bigint;
  readonly ranges: readonly { readonly start: bigint; readonly last: bigint }[];
}

/** struct iommu_ioas_map. `flags` are IOMMU_IOAS_MAP_*; `iova` counts with FIXED_IOVA alone. */
export interface IoasMap {
  readonly ioasId: number;
  readonly flags: number;
  readonly vaddr: bigint;
  readonly iova: bigint;
  readonly size: bigint;
}

/** struct iommu_ioas_map_file. `start` is the offset in the file. */
export interface IoasFileMap {
  readonly ioasId: number;
  readonly flags: number;
  readonly file: Fd;
  readonly start: bigint;
  readonly iova: bigint;
  readonly size: bigint;
}

/** struct iommu_ioas_copy. `flags` as of a map. */
export interface IoasCopy {
  readonly flags: number;
  readonly toIoasId: number;
  readonly fromIoasId: number;
  readonly toIova: bigint;
  readonly fromIova: bigint;
  readonly size: bigint;
}

/** struct iommu_hwpt_get_dirty_bitmap. Pages are clean again once read, unless `keep`. */
export interface HwptDirtyRange {
  readonly iova: bigint;
  readonly size: bigint;
  readonly pageSize: bigint;
  readonly keep?: boolean;
}

/** struct iommu_hw_info. `data` is in the form of the IOMMU driver `type`, cut at 256 bytes. */
export interface IommuHwInfo {
  readonly type: number;
  /** IOMMU_HW_CAP_* */
  readonly capabilities: bigint;
  readonly data: Uint8Array;
}
