import { VFIO_NOIOMMU_IOMMU } from '../../uapi/vfio.js';
import { failWith } from '../base/errno-failure.js';
import type { IommuDriver, IommuDriverType } from '../iommu/iommu-driver.js';

/**
 * Makes the IOMMU type for containers of noiommu groups. It maps nothing: its calls fail with ENOTTY.
 * Source: vfio_noiommu_ops
 * @param enabled the module parameter vfio.enable_unsafe_noiommu_mode
 */
export function noiommuType(enabled: boolean): IommuDriverType {
  const checkExtension = (extension: number): number => (enabled && extension === VFIO_NOIOMMU_IOMMU ? 1 : 0);
  const notSupported = (): never => failWith('ENOTTY');
  const nothing = (): Promise<void> => Promise.resolve();
  const driver: IommuDriver = {
    checkExtension,
    attachGroup: nothing,
    detachGroup: nothing,
    release: nothing,
    getInfo: notSupported,
    map: notSupported,
    unmap: notSupported,
    setDirtyTracking: notSupported,
    getDirtyBitmap: notSupported,
  };
  return { noiommu: true, checkExtension, open: () => driver };
}
