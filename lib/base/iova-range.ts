/** A range of IOVAs; both ends belong to it. */
export interface IovaRange {
  /** The first IOVA. */
  readonly start: bigint;
  /** The last IOVA. */
  readonly last: bigint;
}

/** A range of IOVAs that cannot be mapped. Source: /sys/kernel/iommu_groups/N/reserved_regions */
export interface ReservedRange extends IovaRange {
  /** Why it is reserved: `direct`, `direct-relaxable`, `reserved` or `msi`. */
  readonly type: string;
}

/** A range of IOVAs whose dirty pages are read, and the size of the pages that its bitmap has a bit for; bytes. */
export interface DirtyRange {
  /** The first IOVA. */
  readonly iova: bigint;
  /** Bytes. */
  readonly size: bigint;
  /** The size of a page in the bitmap, in bytes. */
  readonly pageSize: bigint;
}

/** The last IOVA and the last address of 64 bits. */
export const LAST_ADDRESS = (1n << 64n) - 1n;

/** The smallest page that any IOMMU maps or tracks writes by, bytes. Source: linux/iommu.h, the drivers' pgsize_bitmap */
export const SMALLEST_IOMMU_PAGE = 4096n;
