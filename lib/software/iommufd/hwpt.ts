import { LAST_ADDRESS, SMALLEST_IOMMU_PAGE } from '../../base/iova-range.js';
import type { HwptDirtyRange } from '../../kernel/iommufd.js';
import { failWith } from '../base/errno-failure.js';
import type { IommuDomain } from '../iommu/domain.js';
import type { IommuGroup } from '../iommu/iommu-group.js';
import type { Geometry } from './io-page-table.js';
import type { Ioas } from './ioas.js';
import { IommufdObject } from './objects.js';

/** How a page table is made. */
export interface HwptOptions {
  /** Made by the kernel for an attach to the IOAS. It is destroyed when no device uses it. */
  readonly auto: boolean;
  /** Whether it can track the pages that devices write. */
  readonly tracksDirty: boolean;
}

/** A page table of the IOMMU, which has all mappings of its IOAS. Source: struct iommufd_hwpt_paging */
export class Hwpt extends IommufdObject {
  readonly kind = 'hwpt';
  /** Whether the IOMMU enforces cache coherency in it. */
  readonly enforcesCoherency: boolean;
  readonly auto: boolean;
  readonly #geometry: Geometry;
  readonly #tracksDirty: boolean;
  #tracking = false;

  /**
   * Makes a page table without the mappings. The caller holds the lock of the IOAS.
   * @param domain becomes the page table's
   * @param hardware the group whose devices use it first, and the page sizes of their IOMMU, as bytes
   */
  constructor(
    readonly ioas: Ioas,
    readonly domain: IommuDomain,
    { group, pageSizes }: { readonly group: IommuGroup; readonly pageSizes: bigint },
    { auto, tracksDirty }: HwptOptions,
  ) {
    super();
    this.auto = auto;
    this.#tracksDirty = tracksDirty;
    this.#geometry = { aperture: group.aperture, pageSizes };
    this.enforcesCoherency = group.enforcesCoherency;
  }

  /** Takes over the mappings of the IOAS. @throws EADDRINUSE, EINVAL, EFAULT, ENOMEM */
  async fill(): Promise<void> {
    await this.ioas.table.addDomain(this.domain, this.#geometry);
    this.ioas.users += 1;
  }

  /** Whether the devices of a group can use it. Source: the attach_dev of the IOMMU's driver */
  fits(group: IommuGroup): boolean {
    return this.#geometry.aperture.last <= group.aperture.last && (!this.enforcesCoherency || group.enforcesCoherency);
  }

  /** Performs IOMMU_HWPT_SET_DIRTY_TRACKING. Starting it clears the record. @throws EOPNOTSUPP */
  setDirtyTracking(enabled: boolean): void {
    if (!this.#tracksDirty) failWith('EOPNOTSUPP');
    this.#tracking = enabled;
    this.domain.setDirtyTracking(0n);
    if (enabled) this.domain.setDirtyTracking(SMALLEST_IOMMU_PAGE);
  }

  /**
   * Performs IOMMU_HWPT_GET_DIRTY_BITMAP. Without tracking, and behind a gap between mappings, no page is dirty.
   * @throws EINVAL, EOVERFLOW; EOPNOTSUPP if it cannot track
   */
  getDirtyBitmap({ iova, size, pageSize, keep = false }: HwptDirtyRange): Uint8Array {
    if (size === 0n) failWith('EINVAL');
    if (iova + size - 1n > LAST_ADDRESS) failWith('EOVERFLOW');
    if ((iova | size) % this.ioas.table.alignment !== 0n) failWith('EINVAL');
    if (pageSize === 0n || ((iova | (iova + size)) & (pageSize - 1n)) !== 0n) failWith('EINVAL');
    if (!this.#tracksDirty) failWith('EOPNOTSUPP');
    const page = pageSize & -pageSize;
    const bitmap = new Uint8Array(Number(((size / page + 63n) / 64n) * 8n));
    const mapped = this.#tracking ? this.ioas.table.mappedFrom(iova, size) : 0n;
    if (mapped > 0n) bitmap.set(this.domain.takeDirty(iova, mapped, page, !keep));
    return bitmap;
  }

  override async destroy(): Promise<void> {
    const { ioas } = this;
    await ioas.table.removeDomain(this.domain);
    this.domain.close();
    ioas.users -= 1;
  }
}
