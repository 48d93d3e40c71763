import { LAST_ADDRESS, type IovaRange } from '../../base/iova-range.js';
import { Mutex } from '../../base/mutex.js';
import { PAGE_SIZE_BIGINT } from '../../native/page-size.js';
import { VFIO_DMA_MAP_FLAG_WRITE } from '../../uapi/vfio.js';
import { failWith } from '../base/errno-failure.js';
import type { IommuDomain } from '../iommu/domain.js';
import { IovaList, lastOf } from '../iommu/iova-list.js';
import type { Pinning } from '../iommu/memory-pinning.js';
import { AreaDomains } from './area-domains.js';
import { chooseIova } from './free-iova.js';
import type { Area, PagesPart } from './pages.js';
import { Reservations } from './reservations.js';

/** Parts of pages that become one range of IOVAs. */
export interface MapRequest {
  readonly parts: readonly PagesPart[];
  /** The first IOVA; undefined: any that is free. */
  readonly iova: bigint | undefined;
  /** VFIO_DMA_MAP_FLAG_READ, VFIO_DMA_MAP_FLAG_WRITE, both or none. */
  readonly access: number;
}

/** What the IOMMU of a domain translates. */
export interface Geometry {
  readonly aperture: IovaRange;
  /** One bit for each page size, as bytes. */
  readonly pageSizes: bigint;
}

/** What the mappings of an IOAS depend on. */
export interface IoPageTableEnvironment {
  readonly settings: {
    /** Whether the kernel aligns an IOVA that it chooses as a huge page. */
    readonly transparentHugepages: boolean;
  };
  readonly pinning: Pinning;
}

/** The alignment of a huge page of x86. Source: HPAGE_SIZE */
const HUGE_PAGE = 2n << 20n;

/** The mappings of an IOAS, and the domains that have them. Source: struct io_pagetable */
export class IoPageTable {
  readonly reservations = new Reservations();
  readonly #lock = new Mutex();
  readonly #areas = new IovaList<Area>();
  readonly #domains: AreaDomains;
  /** Every IOVA, size and address is a multiple of it. 1 without a domain. */
  #alignment = 1n;
  #largePages = true;

  constructor(private readonly environment: IoPageTableEnvironment) {
    this.#domains = new AreaDomains(environment.pinning);
  }

  get alignment(): bigint {
    return this.#alignment;
  }

  get largePages(): boolean {
    return this.#largePages;
  }

  /** The page sizes that every domain has, undefined without a domain. */
  get pageSizes(): bigint | undefined {
    return this.#domains.pageSizes;
  }

  /**
   * Maps parts of pages, one after the other.
   * @returns the first IOVA
   * @throws EINVAL, EOVERFLOW, EEXIST, ENOSPC, EPERM if read-only pages would be writable, EFAULT, ENOMEM
   */
  map({ parts, iova, access }: MapRequest): Promise<bigint> {
    return this.#lock.run(() => {
      const size = bytesOf(parts);
      if (size === 0n || size % this.#alignment !== 0n) failWith('EINVAL');
      const start = iova === undefined ? this.#choose(parts, size) : this.#check(iova, size);
      const areas: Area[] = [];
      let at = start;
      for (const { pages, offset, size: partSize } of parts) {
        if ((access & VFIO_DMA_MAP_FLAG_WRITE) !== 0 && !pages.writable) failWith('EPERM');
        if ((offset % PAGE_SIZE_BIGINT) % this.#alignment !== 0n) failWith('EINVAL');
        areas.push({ iova: at, size: partSize, pages, offset, access });
        at += partSize;
      }
      this.#domains.fill(areas);
      for (const area of areas) this.#areas.insert(area);
      return start;
    });
  }

  /**
   * Finds the pages behind a range.
   * @throws EINVAL for a size of 0; EOVERFLOW; ENOENT if a part is not mapped
   */
  find(iova: bigint, size: bigint): PagesPart[] {
    lastByte(iova, size);
    const parts = this.#partsFrom(iova, size);
    return bytesOf(parts) === size ? parts : failWith('ENOENT');
  }

  /** Returns how many bytes of a range are mapped without a gap, from its start on. */
  mappedFrom(iova: bigint, size: bigint): bigint {
    return bytesOf(this.#partsFrom(iova, size));
  }

  /**
   * Unmaps whole areas. Areas before one that fails stay unmapped.
   * @returns how many bytes were unmapped, also 0
   * @throws EINVAL for a size of 0; EOVERFLOW; ENOENT if the range cuts an area
   */
  unmap(iova: bigint, size: bigint): Promise<bigint> {
    return this.#unmapRange(iova, lastByte(iova, size));
  }

  /** Unmaps everything. @returns how many bytes were unmapped */
  unmapAll(): Promise<bigint> {
    return this.#unmapRange(0n, LAST_ADDRESS);
  }

  /**
   * Cuts the areas behind the given IOVAs, so that a part can be unmapped.
   * @throws EINVAL for a cut that is not aligned, or while large pages may be in use
   */
  cut(iovas: readonly bigint[]): Promise<void> {
    return this.#lock.run(() => iovas.forEach((iova) => this.#cutBehind(iova)));
  }

  /** Gives all mappings to a domain. @throws EINVAL; EADDRINUSE if a mapping is not aligned or outside; EFAULT, ENOMEM */
  addDomain(domain: IommuDomain, { aperture, pageSizes }: Geometry): Promise<void> {
    return this.#lock.run(() => {
      const smallest = pageSizes & -pageSizes;
      const alignment = smallest > this.#alignment ? smallest : this.#alignment;
      if (alignment > PAGE_SIZE_BIGINT) failWith('EINVAL');
      this.#checkAlignment(alignment);
      try {
        if (aperture.start > 0n) this.#reserve({ start: 0n, last: aperture.start - 1n }, domain);
        if (aperture.last < LAST_ADDRESS) this.#reserve({ start: aperture.last + 1n, last: LAST_ADDRESS }, domain);
        this.#domains.add(domain, pageSizes, this.#areas);
      } catch (error) {
        this.reservations.remove(domain);
        throw error;
      }
      this.#alignment = alignment;
    });
  }

  /** Takes all mappings from a domain. */
  removeDomain(domain: IommuDomain): Promise<void> {
    return this.#lock.run(() => {
      this.#domains.remove(domain, this.#areas);
      this.reservations.remove(domain);
      this.#alignment = this.#neededAlignment();
    });
  }

  /** Gives all mappings to the domain of a mediated device. @throws EADDRINUSE if a mapping is not of whole pages */
  addAccess(domain: IommuDomain): Promise<void> {
    return this.#lock.run(() => {
      this.#checkAlignment(PAGE_SIZE_BIGINT);
      this.#domains.addAccess(domain, this.#areas);
      this.#alignment = PAGE_SIZE_BIGINT;
    });
  }

  /** Forgets the domain of a mediated device, which no longer uses it. */
  removeAccess(domain: IommuDomain): Promise<void> {
    return this.#lock.run(() => {
      this.#domains.removeAccess(domain);
      this.#alignment = this.#neededAlignment();
    });
  }

  /** Reserves the ranges of a device. @throws EADDRINUSE if a part is mapped or allowed; nothing is reserved then */
  reserveAll(ranges: readonly IovaRange[], owner: object): Promise<void> {
    return this.#lock.run(() => {
      try {
        for (const range of ranges) this.#reserve(range, owner);
      } catch (error) {
        this.reservations.remove(owner);
        throw error;
      }
    });
  }

  /** Allows large pages, or forbids them. @throws EINVAL if a domain has mappings; EADDRINUSE if one is not of whole pages */
  setLargePages(allowed: boolean): void {
    if (allowed === this.#largePages) return;
    if (!allowed && this.#domains.pageSizes !== undefined && this.#areas.count > 0) failWith('EINVAL');
    if (!allowed) this.#checkAlignment(PAGE_SIZE_BIGINT);
    this.#largePages = allowed;
    this.#alignment = this.#neededAlignment();
  }

  /** Returns the pages of a range, from its start to the first gap. */
  #partsFrom(iova: bigint, size: bigint): PagesPart[] {
    const last = iova + size - 1n;
    const parts: PagesPart[] = [];
    let at = iova;
    for (const area of this.#areas.overlapping(iova, last)) {
      if (area.iova > at) break;
      const end = lastOf(area) < last ? lastOf(area) : last;
      parts.push({ pages: area.pages, offset: area.offset + (at - area.iova), size: end - at + 1n });
      at = end + 1n;
    }
    return parts;
  }

  #choose(parts: readonly PagesPart[], size: bigint): bigint {
    const first = parts[0] as PagesPart;
    const areas = [...this.#areas].map((area) => ({ start: area.iova, last: lastOf(area) }));
    const { reserved, allowed } = this.reservations;
    const vaddr = first.pages.vaddr + first.offset;
    const largestAlignment = this.environment.settings.transparentHugepages ? HUGE_PAGE : PAGE_SIZE_BIGINT;
    return chooseIova({
      vaddr,
      size,
      alignment: this.#alignment,
      largestAlignment,
      allowed,
      used: [...areas, ...reserved],
    });
  }

  #check(iova: bigint, size: bigint): bigint {
    if (iova % this.#alignment !== 0n) failWith('EINVAL');
    const last = lastByte(iova, size);
    if (this.reservations.meets({ start: iova, last })) failWith('EINVAL');
    return this.#areas.find(iova, last) === undefined ? iova : failWith('EEXIST');
  }

  #reserve(range: IovaRange, owner: object): void {
    if (this.#areas.find(range.start, range.last) !== undefined) failWith('EADDRINUSE');
    this.reservations.add(range, owner);
  }

  #unmapRange(start: bigint, last: bigint): Promise<bigint> {
    return this.#lock.run(async () => {
      let unmapped = 0n;
      for (let area = this.#areas.find(start, last); area !== undefined; area = this.#areas.find(start, last)) {
        if (area.iova < start || lastOf(area) > last) failWith('ENOENT');
        await this.#domains.unfill(area);
        this.#areas.delete(area);
        unmapped += area.size;
      }
      return unmapped;
    });
  }

  #cutBehind(iova: bigint): void {
    const area = this.#areas.find(iova, iova);
    if (area === undefined || iova === area.iova || iova === lastOf(area)) return;
    const size = iova + 1n - area.iova;
    if ((iova + 1n) % this.#alignment !== 0n || (area.offset + size) % this.#alignment !== 0n) failWith('EINVAL');
    if (this.#domains.pageSizes !== undefined && this.#largePages) failWith('EINVAL');
    const rest = { ...area, iova: iova + 1n, size: area.size - size, offset: area.offset + size };
    this.#areas.delete(area);
    this.#areas.insert({ ...area, size });
    this.#areas.insert(rest);
    this.#domains.split(area);
  }

  #checkAlignment(alignment: bigint): void {
    for (const { iova, size, offset } of this.#areas) {
      if ((iova | size | (offset % PAGE_SIZE_BIGINT)) % alignment !== 0n) failWith('EADDRINUSE');
    }
  }

  #neededAlignment(): bigint {
    if (!this.#largePages || this.#domains.hasAccess) return PAGE_SIZE_BIGINT;
    const { pageSizes } = this.#domains;
    return pageSizes === undefined ? 1n : this.#domains.largestSmallestPage;
  }
}

/** @throws EINVAL for a size of 0; EOVERFLOW if the range passes the last IOVA */
function lastByte(iova: bigint, size: bigint): bigint {
  if (size === 0n) failWith('EINVAL');
  return iova + size - 1n > LAST_ADDRESS ? failWith('EOVERFLOW') : iova + size - 1n;
}

function bytesOf(parts: readonly PagesPart[]): bigint {
  return parts.reduce((sum, { size }) => sum + size, 0n);
}
