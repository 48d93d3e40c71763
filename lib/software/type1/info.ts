import { VFIO_IOMMU_TYPE1_INFO_MINSZ, VFIO_IOMMU_TYPE1_INFO_SIZE } from '../../uapi/vfio-sizes.js';
import { VFIO_IOMMU_INFO_CAPS, VFIO_IOMMU_INFO_PGSIZES } from '../../uapi/vfio.js';
import type { IommuInfo } from '../../kernel/kernel.js';
import type { IovaRange } from '../../base/iova-range.js';
import { failWith } from '../base/errno-failure.js';
import { DIRTY_BITMAP_SIZE_MAX } from './checks.js';

const MIGRATION_CAP_SIZE = 32;
const DMA_AVAIL_CAP_SIZE = 16;
const IOVA_RANGE_CAP_SIZE = 16;
const IOVA_RANGE_SIZE = 16;

/**
 * Answers VFIO_IOMMU_GET_INFO. The answer has capabilities only if `argsz` has room for all of them.
 * @throws EINVAL if `argsz` is too small
 */
export function type1Info(
  argsz: number | undefined,
  facts: { pageSizes: bigint; dmaAvailable: number; iovaRanges: readonly IovaRange[] },
): IommuInfo {
  if (argsz !== undefined && argsz < VFIO_IOMMU_TYPE1_INFO_MINSZ) failWith('EINVAL');
  const { pageSizes, dmaAvailable, iovaRanges } = facts;
  const rangesSize = iovaRanges.length === 0 ? 0 : IOVA_RANGE_CAP_SIZE + iovaRanges.length * IOVA_RANGE_SIZE;
  const wanted = VFIO_IOMMU_TYPE1_INFO_SIZE + MIGRATION_CAP_SIZE + DMA_AVAIL_CAP_SIZE + rangesSize;
  const flags = VFIO_IOMMU_INFO_PGSIZES | VFIO_IOMMU_INFO_CAPS;
  if (argsz !== undefined && argsz < wanted) return { flags, pageSizes, argsz: wanted };
  const migration = { flags: 0, pageSizes: pageSizes & -pageSizes, maxDirtyBitmapSize: DIRTY_BITMAP_SIZE_MAX };
  const ranges = iovaRanges.length === 0 ? {} : { iovaRanges };
  return { flags, pageSizes, migration, dmaAvailable, ...ranges, argsz: argsz ?? wanted };
}
