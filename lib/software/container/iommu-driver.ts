import { VFIO_NOIOMMU_IOMMU } from '../../uapi/vfio.js';
import type { DmaMap, DmaUnmap, DmaUnmapResult, IommuInfo } from '../../kernel/kernel.js';
import type { VfioGroupType } from '../group/group.js';
import type { IommuGroup } from '../group/iommu-group.js';
import type { SoftwareProcess } from '../machine/process.js';
import { refuse } from '../refusal.js';

/** A kind of IOMMU that a container can have. Source: struct vfio_iommu_driver */
export interface IommuDriverType {
  readonly noiommu: boolean;
  /** CHECK_EXTENSION before there is an IOMMU. */
  checkExtension(extension: number): number;
  /** @throws EINVAL for an extension that is no type of IOMMU */
  open(extension: number): IommuDriver;
}

/** The IOMMU of a container. Source: struct vfio_iommu_driver_ops */
export interface IommuDriver {
  checkExtension(extension: number): number;
  attachGroup(group: IommuGroup, type: VfioGroupType, caller: SoftwareProcess): Promise<void>;
  detachGroup(group: IommuGroup): Promise<void>;
  release(): Promise<void>;
  getInfo(argsz: number | undefined): IommuInfo;
  map(map: DmaMap, caller: SoftwareProcess): Promise<void>;
  unmap(unmap: DmaUnmap): Promise<DmaUnmapResult>;
  setDirtyTracking(enabled: boolean): Promise<void>;
  getDirtyBitmap(range: { iova: bigint; size: bigint; pageSize: bigint }): Promise<Uint8Array>;
}

/** The IOMMU of a container of noiommu groups: none. */
export function noiommuType(enabled: boolean): IommuDriverType {
  const checkExtension = (extension: number): number => (enabled && extension === VFIO_NOIOMMU_IOMMU ? 1 : 0);
  const lacking = (): never => refuse('ENOTTY');
  const nothing = (): Promise<void> => Promise.resolve();
  const driver: IommuDriver = {
    checkExtension,
    attachGroup: nothing,
    detachGroup: nothing,
    release: nothing,
    getInfo: lacking,
    map: lacking,
    unmap: lacking,
    setDirtyTracking: lacking,
    getDirtyBitmap: lacking,
  };
  return { noiommu: true, checkExtension, open: () => driver };
}
