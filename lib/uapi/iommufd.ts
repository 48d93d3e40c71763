// Numbers of the iommufd user interface. Source: linux/iommufd.h (6.12). The names are the header's.

/** IOMMU_IOAS_MAP uses the IOVA of the caller. */
export const IOMMU_IOAS_MAP_FIXED_IOVA = 1 << 0;
/** The device can write the memory. */
export const IOMMU_IOAS_MAP_WRITEABLE = 1 << 1;
/** The device can read the memory. */
export const IOMMU_IOAS_MAP_READABLE = 1 << 2;

/** The page table can be the parent of a nested one. */
export const IOMMU_HWPT_ALLOC_NEST_PARENT = 1 << 0;
/** The page table can track dirty pages. */
export const IOMMU_HWPT_ALLOC_DIRTY_TRACKING = 1 << 1;

/** IOMMU_HWPT_GET_DIRTY_BITMAP keeps the dirty bits. */
export const IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR = 1 << 0;

/** The kernel does not report the type of the IOMMU. */
export const IOMMU_HW_INFO_TYPE_NONE = 0;
/** Intel VT-d. */
export const IOMMU_HW_INFO_TYPE_INTEL_VTD = 1;
/** Arm SMMUv3. */
export const IOMMU_HW_INFO_TYPE_ARM_SMMUV3 = 2;
/** The IOMMU records which pages a device writes. */
export const IOMMU_HW_CAP_DIRTY_TRACKING = 1n << 0n;

/** The option that selects how pinned memory is counted: by user (0) or by process (1). */
export const IOMMU_OPTION_RLIMIT_MODE = 0;
/** The option that allows the IOMMU to use large pages. */
export const IOMMU_OPTION_HUGE_PAGES = 1;
