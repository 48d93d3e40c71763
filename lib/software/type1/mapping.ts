import type { PinnableMemory } from '../iommu/memory-pinning.js';

/** The mapping that one VFIO_IOMMU_MAP_DMA made. Source: struct vfio_dma */
export interface Type1Mapping extends PinnableMemory {
  readonly iova: bigint;
  /** Where the memory is in the address space of this process. */
  vaddr: bigint;
  /** True between UNMAP_DMA with FLAG_VADDR and MAP_DMA with FLAG_VADDR. */
  vaddrInvalid: boolean;
}
