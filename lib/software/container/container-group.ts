import type { Mutex } from '../../base/mutex.js';
import type { IommuGroup } from '../iommu/iommu-group.js';
import type { VfioGroupType } from '../iommu/iommu-driver.js';

/** A VFIO group, as the container or the iommufd that it joins uses it. `VfioGroup` implements it. */
export interface ContainerGroup {
  readonly type: VfioGroupType;
  readonly noiommu: boolean;
  /** Held while the group enters the IOMMU, so that none of its devices unregisters meanwhile. */
  readonly deviceLock: Mutex;
  /** @throws ENODEV after the group was revoked */
  readonly presentIommuGroup: IommuGroup;
}
