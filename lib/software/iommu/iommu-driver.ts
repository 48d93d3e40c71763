import type { DirtyRange } from '../../base/iova-range.js';
import type { DmaMap, DmaUnmap, DmaUnmapResult, IommuInfo } from '../../kernel/kernel.js';
import type { MemlockAccount } from '../base/caller.js';
import type { IommuGroup } from './iommu-group.js';

/** The kind of a VFIO group. In an `emulated` one, a mediated device's driver does the DMA. Source: enum vfio_group_type */
export type VfioGroupType = 'iommu' | 'emulated' | 'noiommu';

/** A kind of IOMMU that a container can open. Source: struct vfio_iommu_driver */
export interface IommuDriverType {
  /** Whether it serves containers of noiommu groups, and no others. */
  readonly noiommu: boolean;
  /** Answers VFIO_CHECK_EXTENSION before an IOMMU is set. @returns 0 for an extension that it does not have */
  checkExtension(extension: number): number;
  /** Opens an IOMMU. @throws EINVAL if `extension` is not a type of IOMMU */
  open(extension: number): IommuDriver;
}

/** The mappings of a container, as a process uses them. */
export interface ContainerIommu {
  /** Answers VFIO_IOMMU_GET_INFO. @throws EINVAL if `argsz` is too small */
  getInfo(argsz: number | undefined): IommuInfo;
  /** Performs VFIO_IOMMU_MAP_DMA. @param account pays for the pinned memory @throws the errno of the call */
  map(map: DmaMap, account: MemlockAccount): Promise<void>;
  /** Performs VFIO_IOMMU_UNMAP_DMA. @throws the errno of the call */
  unmap(unmap: DmaUnmap): Promise<DmaUnmapResult>;
  /** Performs VFIO_IOMMU_DIRTY_PAGES with START or STOP. @throws EACCES, ENOTTY */
  setDirtyTracking(enabled: boolean): Promise<void>;
  /** Performs VFIO_IOMMU_DIRTY_PAGES with GET_BITMAP. @throws EACCES, ENOTTY, EINVAL */
  getDirtyBitmap(range: DirtyRange): Promise<Uint8Array>;
}

/** The open IOMMU of a container. Source: struct vfio_iommu_driver_ops */
export interface IommuDriver extends ContainerIommu {
  /** Answers VFIO_CHECK_EXTENSION. @returns 0 for an extension that it does not have */
  checkExtension(extension: number): number;
  /** Lets a group's devices use the mappings. @throws EBUSY, EINVAL, ENODEV, EPERM, EFAULT, ENOMEM */
  attachGroup(group: IommuGroup, type: VfioGroupType): Promise<void>;
  /** Takes the mappings away from a group's devices. */
  detachGroup(group: IommuGroup): Promise<void>;
  /** Drops all mappings. The container closes the IOMMU. */
  release(): Promise<void>;
}
