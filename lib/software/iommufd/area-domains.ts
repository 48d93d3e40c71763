import { failWith } from '../base/errno-failure.js';
import type { IommuDomain } from '../iommu/domain.js';
import type { Pinning } from '../iommu/memory-pinning.js';
import { vaddrOf, type Area } from './pages.js';

/**
 * The domains that have the areas of an IOAS. Pages are pinned while an IOMMU domain has them. A mediated device's driver translates
 * itself: its domain pins nothing. Source: iopt_area_fill_domains, iopt_area_unfill_domains
 */
export class AreaDomains {
  /** The IOMMU domains and their page sizes. */
  readonly #domains = new Map<IommuDomain, bigint>();
  readonly #accesses = new Set<IommuDomain>();

  constructor(private readonly pinning: Pinning) {}

  /** The page sizes that every IOMMU domain has, undefined without one. */
  get pageSizes(): bigint | undefined {
    const sizes = [...this.#domains.values()];
    return sizes.length === 0 ? undefined : sizes.reduce((common, each) => common & each);
  }

  /** The largest of the smallest page sizes of the IOMMU domains. */
  get largestSmallestPage(): bigint {
    return [...this.#domains.values()].map((sizes) => sizes & -sizes).reduce((a, b) => (a > b ? a : b), 1n);
  }

  get hasAccess(): boolean {
    return this.#accesses.size > 0;
  }

  /** Gives areas to every domain. If one fails, no domain has any. @throws EINVAL, EFAULT, ENOMEM */
  fill(areas: readonly Area[]): void {
    const filled: Area[] = [];
    try {
      for (const area of areas) {
        if (this.#domains.size > 0) this.#pin(area);
        filled.push(area);
        for (const domain of this.#all()) mapIn(domain, area);
      }
    } catch (error) {
      for (const area of filled) {
        for (const domain of this.#all()) void domain.unmap(area.iova, area.size);
        if (this.#domains.size > 0) this.#unpin(area);
      }
      throw error;
    }
  }

  /** Takes an area from every domain. After the promise resolves, no device touches its memory. */
  async unfill(area: Area): Promise<void> {
    for (const domain of this.#all()) await domain.unmap(area.iova, area.size);
    if (this.#domains.size > 0) this.#unpin(area);
  }

  /** Counts the two parts of an area that was cut. The domains keep what they have. */
  split({ pages }: Area): void {
    if (this.#domains.size > 0) pages.pins += 1;
  }

  /** Gives all areas to a new IOMMU domain. @throws EINVAL, EFAULT, ENOMEM; the domain is not added then */
  add(domain: IommuDomain, pageSizes: bigint, areas: Iterable<Area>): void {
    const first = this.#domains.size === 0;
    const pinned: Area[] = [];
    try {
      for (const area of areas) {
        if (first) {
          this.#pin(area);
          pinned.push(area);
        }
        mapIn(domain, area);
      }
    } catch (error) {
      for (const area of pinned) this.#unpin(area);
      throw error;
    }
    this.#domains.set(domain, pageSizes);
  }

  /** Takes all areas from an IOMMU domain, which no device uses. */
  remove(domain: IommuDomain, areas: Iterable<Area>): void {
    if (!this.#domains.delete(domain) || this.#domains.size > 0) return;
    for (const area of areas) this.#unpin(area);
  }

  /** Gives all areas to the domain of a mediated device. */
  addAccess(domain: IommuDomain, areas: Iterable<Area>): void {
    for (const area of areas) mapIn(domain, area);
    this.#accesses.add(domain);
  }

  /** Forgets the domain of a mediated device, which no longer uses it. */
  removeAccess(domain: IommuDomain): void {
    this.#accesses.delete(domain);
  }

  #all(): IommuDomain[] {
    return [...this.#domains.keys(), ...this.#accesses];
  }

  /** @throws EINVAL if no device may access the area, which an IOMMU refuses */
  #pin({ pages, access }: Area): void {
    if (access === 0) failWith('EINVAL');
    if (pages.pins === 0) this.pinning.pin(pages);
    pages.pins += 1;
  }

  #unpin({ pages }: Area): void {
    pages.pins -= 1;
    if (pages.pins === 0) this.pinning.unpin(pages);
  }
}

function mapIn(domain: IommuDomain, area: Area): void {
  domain.map(area.iova, vaddrOf(area), area.size, area.access);
}
