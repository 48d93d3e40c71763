import type { IommuDomain } from '../iommu/domain.js';
import type { IommuGroup } from '../iommu/iommu-group.js';
import { clip, exclude, intersects } from '../iommu/iova-ranges.js';
import type { DirtyRange, IovaRange } from '../../base/iova-range.js';
import { type IovaList, lastOf } from '../iommu/iova-list.js';
import type { Pinning } from '../iommu/memory-pinning.js';
import type { Type1Mapping } from './mapping.js';
import { ErrnoFailure, failWith } from '../base/errno-failure.js';

/** A domain and the groups that share it. Source: struct vfio_domain */
interface SharedDomain {
  readonly domain: IommuDomain;
  readonly enforcesCoherency: boolean;
  readonly groups: Set<IommuGroup>;
}

/** The domains of one container. Each domain has all mappings of the container. */
export class Type1Domains {
  #shared: SharedDomain[] = [];
  /** The domain of mediated devices. Their driver translates: nothing is pinned, and no range is reserved. */
  #emulated: SharedDomain | null = null;
  #iovaRanges: IovaRange[] = [];
  #dirtyPageSize = 0n;

  constructor(
    private readonly createDomain: () => IommuDomain,
    private readonly allowUnsafeInterrupts: boolean,
    private readonly mappings: IovaList<Type1Mapping>,
    private readonly pinning: Pinning,
  ) {}

  /** Whether mapped memory must be pinned: a device behind an IOMMU can reach it. */
  get pins(): boolean {
    return this.#shared.length > 0;
  }

  /** Whether a group of a mediated device is attached. */
  get hasEmulated(): boolean {
    return this.#emulated !== null;
  }

  /** The ranges that can be mapped. Empty if only mediated devices are attached: every range can then be mapped. */
  get iovaRanges(): readonly IovaRange[] {
    return this.#iovaRanges;
  }

  /** Whether the IOMMU enforces cache coherency in every domain. */
  get allEnforceCoherency(): boolean {
    return this.#shared.every((shared) => shared.enforcesCoherency);
  }

  /** Tells whether a group is attached. */
  has(group: IommuGroup): boolean {
    return this.#all().some((shared) => shared.groups.has(group));
  }

  /** Attaches the group of a mediated device. */
  async attachEmulated(group: IommuGroup): Promise<void> {
    const shared = (this.#emulated ??= this.#newEmulated());
    shared.groups.add(group);
    await group.attach(shared.domain);
  }

  /**
   * Attaches a group: to a domain with the same coherency, or to a new domain, which gets all mappings.
   * Source: vfio_iommu_type1_attach_group
   * @throws ENODEV for a group without devices, EBUSY if it is attached, EINVAL if it cannot have the present mappings,
   *   EPERM without interrupt isolation, EFAULT, ENOMEM
   */
  async attach(group: IommuGroup): Promise<void> {
    const first = group.devices[0];
    if (first === undefined) failWith('ENODEV');
    const domain = this.#newDomain();
    try {
      await group.attach(domain);
    } catch (error) {
      domain.close();
      throw error;
    }
    try {
      const ranges = this.#rangesWith(group);
      group.requireIsolatedInterrupts(this.allowUnsafeInterrupts, first.name);
      if (await this.#join(group)) domain.close();
      else this.#add(domain, group);
      this.#iovaRanges = ranges;
    } catch (error) {
      group.detach();
      domain.close();
      throw error;
    }
  }

  /** Detaches a group. @returns true if it was the last one */
  detach(group: IommuGroup): boolean {
    const shared = this.#all().find((one) => one.groups.has(group));
    if (shared === undefined) return false;
    group.detach();
    shared.groups.delete(group);
    if (shared.groups.size === 0) {
      shared.domain.close();
      if (shared === this.#emulated) this.#emulated = null;
      this.#shared = this.#shared.filter((one) => one !== shared);
    }
    this.#iovaRanges = this.#rangesOf(this.#shared.flatMap((one) => [...one.groups]));
    return this.#all().length === 0;
  }

  /** Adds a mapping to every domain. If one domain fails, none has the mapping. */
  map(mapping: Type1Mapping): void {
    const done: IommuDomain[] = [];
    try {
      for (const { domain } of this.#all()) {
        mapInDomain(domain, mapping);
        done.push(domain);
      }
    } catch (error) {
      for (const domain of done) void domain.unmap(mapping.iova, mapping.size);
      throw error;
    }
  }

  /** Removes a range from every domain. After the promise resolves, no device touches its memory. */
  async unmap(iova: bigint, size: bigint): Promise<void> {
    for (const { domain } of this.#all()) await domain.unmap(iova, size);
  }

  /** Starts to record written pages in every domain, and in each new one. @param pageSize bytes; 0n stops the record */
  setDirtyTracking(pageSize: bigint): void {
    this.#dirtyPageSize = pageSize;
    for (const { domain } of this.#all()) domain.setDirtyTracking(pageSize);
  }

  /**
   * Reads and clears the record of a range in every domain.
   * @param bytes the size of the bitmap, at least one bit for each page of the range
   * @returns a bitmap with a bit for each page that a device wrote
   */
  takeDirty({ iova, size, pageSize }: DirtyRange, bytes: bigint): Uint8Array {
    const dirty = new Uint8Array(Number(bytes));
    for (const { domain } of this.#all()) {
      domain.takeDirty(iova, size, pageSize).forEach((byte, index) => (dirty[index] = (dirty[index] ?? 0) | byte));
    }
    return dirty;
  }

  #all(): SharedDomain[] {
    return this.#emulated === null ? this.#shared : [...this.#shared, this.#emulated];
  }

  #newDomain(): IommuDomain {
    const domain = this.createDomain();
    if (this.#dirtyPageSize > 0n) domain.setDirtyTracking(this.#dirtyPageSize);
    return domain;
  }

  /** Makes the domain of mediated devices, with all mappings. */
  #newEmulated(): SharedDomain {
    const domain = this.#newDomain();
    try {
      for (const mapping of this.mappings) mapInDomain(domain, mapping);
    } catch (error) {
      domain.close();
      throw error;
    }
    return { domain, enforcesCoherency: true, groups: new Set() };
  }

  /** Moves a group from its own domain to one that it can share. @returns false if there is none */
  async #join(group: IommuGroup): Promise<boolean> {
    const shared = this.#shared.find((one) => one.enforcesCoherency === group.enforcesCoherency);
    if (shared === undefined) return false;
    group.detach();
    await group.attach(shared.domain);
    shared.groups.add(group);
    return true;
  }

  /** Adds all mappings to a new domain. Pins those that are not pinned, and unpins them again if that fails. */
  #add(domain: IommuDomain, group: IommuGroup): void {
    const pinned: Type1Mapping[] = [];
    try {
      for (const mapping of this.mappings) {
        if (!mapping.pinned) {
          this.pinning.pin(mapping);
          pinned.push(mapping);
        }
        mapInDomain(domain, mapping);
      }
    } catch (error) {
      for (const mapping of pinned) this.pinning.unpin(mapping);
      throw error;
    }
    this.#shared.push({ domain, enforcesCoherency: group.enforcesCoherency, groups: new Set([group]) });
  }

  /** Returns the ranges with one more group. @throws EINVAL if the group cannot have a present mapping */
  #rangesWith(group: IommuGroup): IovaRange[] {
    const { aperture } = group;
    const reserved = group.reservedRegions.filter(({ type }) => type !== 'direct-relaxable');
    const outside = [...this.mappings].some(
      (mapping) => mapping.iova < aperture.start || lastOf(mapping) > aperture.last,
    );
    const inReserved = reserved.some(({ start, last }) => this.mappings.find(start, last) !== undefined);
    const ranges = this.#rangesOf([...this.#shared.flatMap((one) => [...one.groups]), group]);
    if (outside || inReserved || ranges.length === 0) throw new ErrnoFailure('EINVAL');
    return ranges;
  }

  #rangesOf(groups: readonly IommuGroup[]): IovaRange[] {
    const first = groups[0];
    if (first === undefined) return [];
    let ranges: IovaRange[] = [first.aperture];
    for (const group of groups) {
      ranges = clip(ranges, group.aperture).filter((range) => intersects(range, group.aperture));
      for (const region of group.reservedRegions) {
        if (region.type !== 'direct-relaxable') ranges = exclude(ranges, region);
      }
    }
    return ranges;
  }
}

function mapInDomain(domain: IommuDomain, mapping: Type1Mapping): void {
  domain.map(mapping.iova, mapping.vaddr, mapping.size, mapping.access);
}
