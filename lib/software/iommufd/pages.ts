import { LAST_ADDRESS } from '../../base/iova-range.js';
import { PAGE_SIZE_BIGINT } from '../../native/page-size.js';
import { VFIO_DMA_MAP_FLAG_WRITE } from '../../uapi/vfio.js';
import type { MemlockAccount } from '../base/caller.js';
import { failWith } from '../base/errno-failure.js';
import type { PinnableMemory } from '../iommu/memory-pinning.js';

/** Memory of the user. */
export interface UserMemory {
  readonly vaddr: bigint;
  /** Bytes. */
  readonly size: bigint;
  /** VFIO_DMA_MAP_FLAG_READ, VFIO_DMA_MAP_FLAG_WRITE, both or none. */
  readonly access: number;
}

/**
 * The pages that one map gave to an IOAS. Copies of the mapping share them. They are pinned and paid for once, while at least one
 * IOMMU domain has them. Source: struct iopt_pages, iopt_alloc_pages
 */
export class Pages implements PinnableMemory {
  /** The address of the first page. */
  readonly vaddr: bigint;
  /** Bytes, whole pages. */
  readonly size: bigint;
  readonly access: number;
  pinned = false;
  /** How many areas with domains have the pages. */
  pins = 0;

  /** @throws EINVAL for a size of 0; EOVERFLOW if the memory passes the last address */
  constructor(
    memory: UserMemory,
    public account: MemlockAccount,
  ) {
    const { vaddr, size, access } = memory;
    if (size === 0n || size > LAST_ADDRESS - PAGE_SIZE_BIGINT) failWith('EINVAL');
    if (vaddr + size > LAST_ADDRESS) failWith('EOVERFLOW');
    const inPage = vaddr % PAGE_SIZE_BIGINT;
    this.vaddr = vaddr - inPage;
    this.size = ((inPage + size + PAGE_SIZE_BIGINT - 1n) / PAGE_SIZE_BIGINT) * PAGE_SIZE_BIGINT;
    this.access = access;
  }

  get writable(): boolean {
    return (this.access & VFIO_DMA_MAP_FLAG_WRITE) !== 0;
  }
}

/** A part of pages. */
export interface PagesPart {
  readonly pages: Pages;
  /** The offset of the part in the pages, bytes. */
  readonly offset: bigint;
  /** Bytes. */
  readonly size: bigint;
}

/** A part of pages at a place in an IOAS. Source: struct iopt_area */
export interface Area extends PagesPart {
  readonly iova: bigint;
  /** VFIO_DMA_MAP_FLAG_READ, VFIO_DMA_MAP_FLAG_WRITE, both or none. */
  readonly access: number;
}

/** Returns where the memory of an area is in this process. */
export function vaddrOf({ pages, offset }: PagesPart): bigint {
  return pages.vaddr + offset;
}
