import { LAST_ADDRESS, type DirtyRange } from '../../base/iova-range.js';
import type { DmaMap, DmaUnmap, DmaUnmapResult, IommuInfo } from '../../kernel/kernel.js';
import { PAGE_SIZE_BIGINT } from '../../native/page-size.js';
import {
  VFIO_IOMMU_TYPE1_DMA_MAP_MINSZ,
  VFIO_IOMMU_TYPE1_DMA_UNMAP_MINSZ,
  VFIO_IOMMU_TYPE1_INFO_MINSZ,
  VFIO_IOMMU_TYPE1_INFO_SIZE,
} from '../../uapi/vfio-sizes.js';
import {
  VFIO_DMA_CC_IOMMU,
  VFIO_DMA_MAP_FLAG_READ,
  VFIO_DMA_MAP_FLAG_WRITE,
  VFIO_DMA_UNMAP_FLAG_ALL,
  VFIO_IOMMU_INFO_CAPS,
  VFIO_IOMMU_INFO_PGSIZES,
  VFIO_NOIOMMU_IOMMU,
  VFIO_TYPE1_IOMMU,
  VFIO_TYPE1v2_IOMMU,
  VFIO_UNMAP_ALL,
} from '../../uapi/vfio.js';
import type { Caller, MemlockAccount } from '../base/caller.js';
import { failWith } from '../base/errno-failure.js';
import type { ContainerIommu } from '../iommu/iommu-driver.js';
import type { Hwpt } from './hwpt.js';
import type { Ioas } from './ioas.js';
import type { ObjectTable } from './objects.js';
import { Pages } from './pages.js';

const ACCESS = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE;
/** The size of a capability: header, count and padding; of one range. */
const CAP_SIZE = 16;
const IOVA_RANGE_SIZE = 16;
/** The kernel has no limit of mappings, and says so. Source: iommufd_fill_cap_dma_avail */
const NO_LIMIT = 0xffff_ffff;

/** The iommufd, as the ioctls of a container use it. `IommufdContext` implements it. */
export interface CompatContext {
  readonly objects: ObjectTable;
  allocIoas(): Ioas;
  hwptsOf(ioas: Ioas): Hwpt[];
}

/**
 * The ioctls of a container on an iommufd. They work on one IOAS, which the first group makes that uses the iommufd as its container.
 * Source: drivers/iommu/iommufd/vfio_compat.c
 */
export class VfioCompat implements ContainerIommu {
  #ioas: Ioas | null = null;
  #noiommu = false;

  constructor(private readonly context: CompatContext) {}

  /** The id of the IOAS. @throws ENODEV before a group has made it, and after it was destroyed */
  get ioasId(): number {
    return this.#present.id;
  }

  get hasIoas(): boolean {
    return this.#live !== null;
  }

  /** Prepares the iommufd for a group that uses it as its container. @throws EINVAL if noiommu groups and others would mix */
  join(noiommu: boolean): void {
    if (noiommu) {
      if (this.hasIoas) failWith('EINVAL');
      this.#noiommu = true;
      return;
    }
    if (this.#noiommu) failWith('EINVAL');
    this.#ioas = this.#live ?? this.context.allocIoas();
  }

  /** Answers VFIO_CHECK_EXTENSION. @throws ENODEV for VFIO_DMA_CC_IOMMU without an IOAS */
  checkExtension(extension: number): number {
    switch (extension) {
      case VFIO_TYPE1_IOMMU:
      case VFIO_TYPE1v2_IOMMU:
      case VFIO_UNMAP_ALL:
        return this.#noiommu ? 0 : 1;
      case VFIO_NOIOMMU_IOMMU:
        return 1;
      case VFIO_DMA_CC_IOMMU:
        return this.context.hwptsOf(this.#present).every(({ enforcesCoherency }) => enforcesCoherency) ? 1 : 0;
      default:
        return 0;
    }
  }

  /**
   * Performs VFIO_SET_IOMMU, as often as the caller likes.
   * @throws EINVAL for another type than type1 (or noiommu), or for type1 v1 if a device has mappings; ENODEV without an IOAS; EPERM
   */
  setIommu(type: number, caller: Caller): void {
    if (type === VFIO_NOIOMMU_IOMMU && this.#noiommu) {
      if (!caller.capSysRawio) failWith('EPERM');
      return;
    }
    if ((type !== VFIO_TYPE1_IOMMU && type !== VFIO_TYPE1v2_IOMMU) || this.#noiommu) failWith('EINVAL');
    const { table } = this.#present;
    // v1 can unmap a part of a mapping, which no large page may cover.
    if (type === VFIO_TYPE1_IOMMU) table.setLargePages(false);
  }

  /** Answers VFIO_IOMMU_GET_INFO. @throws EINVAL if `argsz` is too small; ENODEV */
  getInfo(argsz: number | undefined): IommuInfo {
    if (argsz !== undefined && argsz < VFIO_IOMMU_TYPE1_INFO_MINSZ) failWith('EINVAL');
    const { table } = this.#present;
    const flags = VFIO_IOMMU_INFO_PGSIZES | VFIO_IOMMU_INFO_CAPS;
    const pageSizes = wholePages(table.pageSizes ?? LAST_ADDRESS);
    const iovaRanges = table.reservations.usable;
    const size = VFIO_IOMMU_TYPE1_INFO_SIZE + CAP_SIZE + CAP_SIZE + iovaRanges.length * IOVA_RANGE_SIZE;
    if (argsz !== undefined && argsz < size) return { flags, pageSizes, argsz: size };
    return { flags, pageSizes, iovaRanges, dmaAvailable: NO_LIMIT, argsz: size };
  }

  /** Performs VFIO_IOMMU_MAP_DMA. @throws EINVAL, EEXIST, EOVERFLOW, EFAULT, ENOMEM, ENODEV */
  async map(map: DmaMap, account: MemlockAccount): Promise<void> {
    const argsz = map.argsz ?? VFIO_IOMMU_TYPE1_DMA_MAP_MINSZ;
    if (argsz < VFIO_IOMMU_TYPE1_DMA_MAP_MINSZ || (map.flags & ~ACCESS) !== 0) failWith('EINVAL');
    const { table } = this.#present;
    const pages = new Pages({ vaddr: map.vaddr, size: map.size, access: map.flags }, account);
    const part = { pages, offset: map.vaddr - pages.vaddr, size: map.size };
    await table.map({ parts: [part], iova: map.iova, access: map.flags });
  }

  /** Performs VFIO_IOMMU_UNMAP_DMA. @throws EINVAL, EOVERFLOW; ENOENT if the range cuts a mapping; ENODEV */
  async unmap(unmap: DmaUnmap): Promise<DmaUnmapResult> {
    const argsz = unmap.argsz ?? VFIO_IOMMU_TYPE1_DMA_UNMAP_MINSZ;
    const { flags, iova, size } = unmap;
    if (argsz < VFIO_IOMMU_TYPE1_DMA_UNMAP_MINSZ || (flags & ~VFIO_DMA_UNMAP_FLAG_ALL) !== 0) failWith('EINVAL');
    const { table } = this.#present;
    if ((flags & VFIO_DMA_UNMAP_FLAG_ALL) !== 0) {
      return iova === 0n && size === 0n ? { size: await table.unmapAll() } : failWith('EINVAL');
    }
    const lastIova = BigInt.asUintN(64, iova + size - 1n);
    if (!table.largePages) await table.cut(iova > 0n ? [lastIova, iova - 1n] : [lastIova]);
    return { size: await table.unmap(iova, size) };
  }

  /** An iommufd tracks by its own ioctls. @throws ENOTTY */
  setDirtyTracking(): Promise<void> {
    return failWith('ENOTTY');
  }

  /** @throws ENOTTY */
  getDirtyBitmap(range: DirtyRange): Promise<Uint8Array> {
    void range;
    return failWith('ENOTTY');
  }

  get #live(): Ioas | null {
    // IOMMU_DESTROY can have taken it.
    return this.#ioas !== null && this.context.objects.has(this.#ioas) ? this.#ioas : null;
  }

  get #present(): Ioas {
    return this.#live ?? failWith('ENODEV');
  }
}

/** Pages smaller than those of the system count as pages of the system. Source: iommufd_get_pagesizes */
function wholePages(sizes: bigint): bigint {
  const small = sizes & (PAGE_SIZE_BIGINT - 1n);
  return small === 0n ? sizes : (sizes & ~(PAGE_SIZE_BIGINT - 1n)) | PAGE_SIZE_BIGINT;
}
