import type { DirtyRange, IovaRange } from '../../base/iova-range.js';
import type { IommuDomain } from '../iommu/domain.js';
import type { IommuGroup } from '../group/iommu-group.js';
import { clip, exclude, intersects } from '../iommu/iova-ranges.js';
import { lastOf, type Mapping, type Mappings } from './mappings.js';
import { Refusal, refuse } from '../refusal.js';
import { warn } from '../warnings.js';

/** Groups that share a domain. Source: struct vfio_domain */
interface SharedDomain {
  readonly domain: IommuDomain;
  readonly enforcesCoherency: boolean;
  readonly groups: Set<IommuGroup>;
}

/** Pins the memory of a mapping that no domain knew so far. @throws EFAULT, ENOMEM */
export interface Pinning {
  pin(mapping: Mapping): void;
  unpin(mapping: Mapping): void;
}

/** The domains behind one container, each with all of the container's mappings. */
export class Type1Domains {
  #shared: SharedDomain[] = [];
  /** Mediated devices: their driver translates, so that nothing is pinned and nothing reserved. */
  #emulated: SharedDomain | null = null;
  #iovaRanges: IovaRange[] = [];
  #dirtyPageSize = 0n;

  constructor(
    private readonly createDomain: () => IommuDomain,
    private readonly allowUnsafeInterrupts: boolean,
    private readonly mappings: Mappings,
    private readonly pinning: Pinning,
  ) {}

  /** Whether mapped memory has to be pinned: an IOMMU reaches it. */
  get pins(): boolean {
    return this.#shared.length > 0;
  }

  get hasEmulated(): boolean {
    return this.#emulated !== null;
  }

  get count(): number {
    return this.#shared.length;
  }

  /** What may be mapped; empty where there are mediated devices alone and anything may. */
  get iovaRanges(): readonly IovaRange[] {
    return this.#iovaRanges;
  }

  get allEnforceCoherency(): boolean {
    return this.#shared.every((shared) => shared.enforcesCoherency);
  }

  has(group: IommuGroup): boolean {
    return this.#all().some((shared) => shared.groups.has(group));
  }

  /** Puts a mediated device's group behind the mappings. */
  async attachEmulated(group: IommuGroup): Promise<void> {
    const shared = this.#emulated ?? { domain: this.#newDomain(), enforcesCoherency: true, groups: new Set() };
    if (this.#emulated === null) for (const mapping of this.mappings) mapInto(shared.domain, mapping);
    this.#emulated = shared;
    shared.groups.add(group);
    await group.attach(shared.domain);
  }

  /**
   * Puts a group into a domain of its like, or into a new one with the mappings that exist.
   * Source: vfio_iommu_type1_attach_group
   * @throws ENODEV for a group without devices, EBUSY, EINVAL for mappings that it cannot have, EPERM, EFAULT, ENOMEM
   */
  async attach(group: IommuGroup): Promise<void> {
    const first = group.devices[0];
    if (first === undefined) refuse('ENODEV');
    const domain = this.#newDomain();
    try {
      await group.attach(domain);
    } catch (error) {
      domain.close();
      throw error;
    }
    try {
      const ranges = this.#rangesWith(group);
      if (!this.allowUnsafeInterrupts && !group.hasIsolatedInterrupts) {
        warn(first.name, 'no interrupt remapping: its group needs the machine option allowUnsafeInterrupts');
        refuse('EPERM');
      }
      if (await this.#join(group)) domain.close();
      else this.#add(domain, group);
      this.#iovaRanges = ranges;
    } catch (error) {
      group.detach();
      domain.close();
      throw error;
    }
  }

  /** Takes a group out. @returns whether it was the last, and so the mappings lost their reason */
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

  /** Makes a mapping known to every domain, or to none. */
  map(mapping: Mapping): void {
    const done: IommuDomain[] = [];
    try {
      for (const { domain } of this.#all()) {
        mapInto(domain, mapping);
        done.push(domain);
      }
    } catch (error) {
      for (const domain of done) void domain.unmap(mapping.iova, mapping.size);
      throw error;
    }
  }

  async unmap(iova: bigint, size: bigint): Promise<void> {
    for (const { domain } of this.#all()) await domain.unmap(iova, size);
  }

  /** Starts the record of written pages in every domain, those to come as well; 0n stops it. */
  setDirtyTracking(pageSize: bigint): void {
    this.#dirtyPageSize = pageSize;
    for (const { domain } of this.#all()) domain.setDirtyTracking(pageSize);
  }

  /** Takes the pages that any domain's devices wrote. @param bytes of the bitmap, which may have room for more pages */
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

  /** Moves a group, which is in a domain of its own, to one that it can share. */
  async #join(group: IommuGroup): Promise<boolean> {
    const shared = this.#shared.find((one) => one.enforcesCoherency === coherent(group));
    if (shared === undefined) return false;
    group.detach();
    await group.attach(shared.domain);
    shared.groups.add(group);
    return true;
  }

  /** Replays the mappings into a new domain; what had to be pinned for it is unpinned when that fails. */
  #add(domain: IommuDomain, group: IommuGroup): void {
    const pinned: Mapping[] = [];
    try {
      for (const mapping of this.mappings) {
        if (!mapping.pinned) {
          this.pinning.pin(mapping);
          pinned.push(mapping);
        }
        mapInto(domain, mapping);
      }
    } catch (error) {
      for (const mapping of pinned) this.pinning.unpin(mapping);
      throw error;
    }
    this.#shared.push({ domain, enforcesCoherency: coherent(group), groups: new Set([group]) });
  }

  /** @throws EINVAL where existing mappings lie outside of what the group can have */
  #rangesWith(group: IommuGroup): IovaRange[] {
    const { aperture } = group;
    const reserved = group.reservedRegions.filter(({ type }) => type !== 'direct-relaxable');
    const outside = [...this.mappings].some(
      (mapping) => mapping.iova < aperture.start || lastOf(mapping) > aperture.last,
    );
    const inReserved = reserved.some(({ start, last }) => this.mappings.find(start, last) !== undefined);
    const ranges = this.#rangesOf([...this.#shared.flatMap((one) => [...one.groups]), group]);
    if (outside || inReserved || ranges.length === 0) throw new Refusal('EINVAL');
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

function coherent(group: IommuGroup): boolean {
  return group.devices.every((device) => device.enforcesCoherency);
}

function mapInto(domain: IommuDomain, mapping: Mapping): void {
  domain.map(mapping.iova, mapping.vaddr, mapping.size, mapping.access);
}
