/**
 * Sizes of the structures of linux/vfio.h (6.12), in bytes. MINSZ is the size that the kernel requires of `argsz`: up to
 * the last field that every caller must have.
 */

export const VFIO_GROUP_STATUS_MINSZ = 8;
export const VFIO_DEVICE_INFO_MINSZ = 16;
export const VFIO_REGION_INFO_MINSZ = 32;
export const VFIO_IRQ_INFO_MINSZ = 16;
/** Without the data that follows the structure. */
export const VFIO_IRQ_SET_MINSZ = 20;
export const VFIO_IOMMU_TYPE1_INFO_MINSZ = 16;
/** The whole structure, with cap_offset. */
export const VFIO_IOMMU_TYPE1_INFO_SIZE = 24;
export const VFIO_IOMMU_TYPE1_DMA_MAP_MINSZ = 32;
export const VFIO_IOMMU_TYPE1_DMA_UNMAP_MINSZ = 24;
/** With the struct vfio_bitmap that follows it for VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP. */
export const VFIO_IOMMU_TYPE1_DMA_UNMAP_WITH_BITMAP_MINSZ = 48;
