import { VFIO_IOMMU_TYPE1_DMA_MAP_MINSZ, VFIO_IOMMU_TYPE1_DMA_UNMAP_MINSZ } from '../../uapi/vfio-sizes.js';
import {
  VFIO_DMA_CC_IOMMU,
  VFIO_DMA_MAP_FLAG_READ,
  VFIO_DMA_MAP_FLAG_VADDR,
  VFIO_DMA_MAP_FLAG_WRITE,
  VFIO_DMA_UNMAP_FLAG_ALL,
  VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP,
  VFIO_DMA_UNMAP_FLAG_VADDR,
  VFIO_TYPE1_IOMMU,
  VFIO_TYPE1_NESTING_IOMMU,
  VFIO_TYPE1v2_IOMMU,
  VFIO_UNMAP_ALL,
  VFIO_UPDATE_VADDR,
} from '../../uapi/vfio.js';
import type { DmaMap, DmaUnmap, DmaUnmapResult, IommuInfo } from '../../kernel/kernel.js';
import type { IommuDomain } from '../iommu/domain.js';
import type { DirtyRange } from '../../base/iova-range.js';
import type { MemlockAccount } from '../base/caller.js';
import type { IommuDriver, IommuDriverType, VfioGroupType } from '../iommu/iommu-driver.js';
import type { IommuGroup } from '../iommu/iommu-group.js';
import { contains } from '../iommu/iova-ranges.js';
import { IovaList, lastOf } from '../iommu/iova-list.js';
import { MemoryPinning, type ProbeMemory } from '../iommu/memory-pinning.js';
import type { Type1Mapping } from './mapping.js';
import { Mutex } from '../../base/mutex.js';
import { failWith } from '../base/errno-failure.js';
import { Type1Domains } from './domains.js';
import { type1Info } from './info.js';
import { bitmapBytes, checkDirtyRange, checkUnmapBitmap, isAligned, U64_MAX } from './checks.js';

const ACCESS = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE;
const MAP_FLAGS = ACCESS | VFIO_DMA_MAP_FLAG_VADDR;
const UNMAP_FLAGS = VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP | VFIO_DMA_UNMAP_FLAG_ALL | VFIO_DMA_UNMAP_FLAG_VADDR;

/** The module parameters of vfio_iommu_type1, and the page sizes of the IOMMU. */
interface Type1Settings {
  readonly allowUnsafeInterrupts: boolean;
  /** How many mappings a container can have. */
  readonly dmaEntryLimit: number;
  /** One bit for each page size, as bytes. The smallest one is the unit of mappings. */
  readonly pageSizes: bigint;
}

/** The parts of the machine that a type1 IOMMU uses. */
export interface Type1Environment {
  readonly settings: Type1Settings;
  readonly createDomain: () => IommuDomain;
  readonly probeMemory: ProbeMemory;
}

/**
 * The rules of the address space. `v1`: an unmap removes each mapping that starts in the range. `v2`: an unmap that would
 * cut a mapping fails.
 */
type Type1Version = 'v1' | 'v2';

/** Makes the IOMMU type of VFIO_TYPE1_IOMMU and VFIO_TYPE1v2_IOMMU. */
export function type1Type(environment: Type1Environment): IommuDriverType {
  return {
    noiommu: false,
    checkExtension: (extension) => (isAlwaysThere(extension) ? 1 : 0),
    open: (extension) => {
      if (extension === VFIO_TYPE1_IOMMU) return new Type1(environment, 'v1');
      if (extension === VFIO_TYPE1v2_IOMMU) return new Type1(environment, 'v2');
      // VFIO_TYPE1_NESTING_IOMMU: this IOMMU has no nested translation. The kernel fails at the first group, with EINVAL.
      return failWith('EINVAL');
    },
  };
}

/** The IOMMU of a container: its mappings and their rules. Source: drivers/vfio/vfio_iommu_type1.c @internal Tests make it. */
export class Type1 implements IommuDriver {
  /** Held by every call that reads or changes mappings or groups. Source: struct vfio_iommu, lock */
  readonly #lock = new Mutex();
  readonly #mappings = new IovaList<Type1Mapping>();
  readonly #pinning: MemoryPinning;
  readonly #domains: Type1Domains;
  readonly #settings: Type1Settings;
  readonly #pageSize: bigint;
  #available: number;
  #vaddrInvalidCount = 0;
  #tracksDirty = false;

  constructor(
    environment: Type1Environment,
    private readonly version: Type1Version,
  ) {
    const { settings } = environment;
    this.#settings = settings;
    this.#available = settings.dmaEntryLimit;
    this.#pageSize = settings.pageSizes & -settings.pageSizes;
    this.#pinning = new MemoryPinning(environment.probeMemory, this.#pageSize);
    const { createDomain } = environment;
    this.#domains = new Type1Domains(createDomain, settings.allowUnsafeInterrupts, this.#mappings, this.#pinning);
  }

  checkExtension(extension: number): number {
    if (isAlwaysThere(extension)) return 1;
    if (extension === VFIO_UPDATE_VADDR) return this.#domains.hasEmulated ? 0 : 1;
    if (extension === VFIO_DMA_CC_IOMMU) return this.#domains.allEnforceCoherency ? 1 : 0;
    return 0;
  }

  attachGroup(group: IommuGroup, type: VfioGroupType): Promise<void> {
    return this.#lock.run(() => {
      if (this.#vaddrInvalidCount > 0) failWith('EBUSY');
      if (this.#domains.has(group)) failWith('EINVAL');
      return type === 'emulated' ? this.#domains.attachEmulated(group) : this.#domains.attach(group);
    });
  }

  detachGroup(group: IommuGroup): Promise<void> {
    return this.#lock.run(() => {
      const pinned = this.#domains.pins;
      const last = this.#domains.detach(group);
      if (pinned && !this.#domains.pins) for (const mapping of this.#mappings) this.#pinning.unpin(mapping);
      if (last) this.#forgetAll();
    });
  }

  release(): Promise<void> {
    return this.#lock.run(() => this.#forgetAll());
  }

  getInfo(argsz: number | undefined): IommuInfo {
    return type1Info(argsz, {
      pageSizes: this.#settings.pageSizes,
      dmaAvailable: this.#available,
      iovaRanges: this.#domains.iovaRanges,
    });
  }

  /**
   * Performs VFIO_IOMMU_MAP_DMA.
   * @throws EINVAL, EEXIST if the range overlaps a mapping, ENOENT if FLAG_VADDR finds none, ENOSPC at `dmaEntryLimit`,
   *   EFAULT, ENOMEM
   */
  map(map: DmaMap, account: MemlockAccount): Promise<void> {
    if (
      (map.argsz ?? VFIO_IOMMU_TYPE1_DMA_MAP_MINSZ) < VFIO_IOMMU_TYPE1_DMA_MAP_MINSZ ||
      (map.flags & ~MAP_FLAGS) !== 0
    )
      failWith('EINVAL');
    const setsVaddr = (map.flags & VFIO_DMA_MAP_FLAG_VADDR) !== 0;
    if (setsVaddr === ((map.flags & ACCESS) !== 0)) failWith('EINVAL');
    return this.#lock.run(() => {
      if (map.size === 0n || !isAligned(map.size | map.iova | map.vaddr, this.#pageSize)) failWith('EINVAL');
      if (lastOf(map) > U64_MAX || map.vaddr + map.size - 1n > U64_MAX) failWith('EINVAL');
      const present = this.#mappings.find(map.iova, lastOf(map));
      if (setsVaddr) return this.#setVaddr(map, present, account);
      if (present !== undefined) failWith('EEXIST');
      return this.#add(map, account);
    });
  }

  /**
   * Performs VFIO_IOMMU_UNMAP_DMA.
   * @throws EINVAL if the range cuts a mapping, EBUSY for FLAG_VADDR with a mediated device
   */
  unmap(unmap: DmaUnmap): Promise<DmaUnmapResult> {
    if (
      (unmap.argsz ?? VFIO_IOMMU_TYPE1_DMA_UNMAP_MINSZ) < VFIO_IOMMU_TYPE1_DMA_UNMAP_MINSZ ||
      (unmap.flags & ~UNMAP_FLAGS) !== 0
    )
      failWith('EINVAL');
    const all = (unmap.flags & VFIO_DMA_UNMAP_FLAG_ALL) !== 0;
    const vaddrOnly = (unmap.flags & VFIO_DMA_UNMAP_FLAG_VADDR) !== 0;
    const wantsBitmap = (unmap.flags & VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP) !== 0;
    if (wantsBitmap) checkUnmapBitmap(unmap, all || vaddrOnly);
    return this.#lock.run(async () => {
      if (vaddrOnly && this.#domains.hasEmulated) failWith('EBUSY');
      const last = this.#lastToUnmap(unmap, all);
      if (wantsBitmap && (!this.#tracksDirty || unmap.bitmap?.pageSize !== this.#pageSize)) failWith('EINVAL');
      if (this.version === 'v2' && !all) this.#checkWhole(unmap.iova, last);
      const victims = this.#victims(unmap.iova, last);
      if (vaddrOnly) return { size: this.#invalidateVaddrs(victims) };
      await this.#remove(victims);
      const size = victims.reduce((sum, mapping) => sum + mapping.size, 0n);
      if (!wantsBitmap) {
        if (this.#tracksDirty) this.#dropRecord(victims);
        return { size };
      }
      const range = { iova: unmap.iova, size: unmap.size, pageSize: this.#pageSize };
      return { size, bitmap: this.#domains.takeDirty(range, unmap.bitmap?.size ?? 0n) };
    });
  }

  setDirtyTracking(enabled: boolean): Promise<void> {
    this.#checkDirtyTracking();
    return this.#lock.run(() => {
      if (this.#tracksDirty === enabled) return;
      this.#domains.setDirtyTracking(enabled ? this.#pageSize : 0n);
      this.#tracksDirty = enabled;
    });
  }

  getDirtyBitmap(range: DirtyRange): Promise<Uint8Array> {
    this.#checkDirtyTracking();
    checkDirtyRange(range);
    return this.#lock.run(() => {
      if (range.pageSize !== this.#pageSize || !isAligned(range.iova | range.size, this.#pageSize)) failWith('EINVAL');
      if (!this.#tracksDirty) failWith('EINVAL');
      this.#checkWhole(range.iova, lastOf(range));
      return this.#domains.takeDirty(range, bitmapBytes(range.size / range.pageSize));
    });
  }

  /** VFIO_IOMMU_DIRTY_PAGES needs v2. iommufd does not have the call. @throws EACCES, ENOTTY */
  #checkDirtyTracking(): void {
    if (this.version === 'v1') failWith('EACCES');
  }

  #add(map: DmaMap, account: MemlockAccount): void {
    if (this.#available === 0) failWith('ENOSPC');
    const { iovaRanges } = this.#domains;
    if (iovaRanges.length > 0 && !contains(iovaRanges, { start: map.iova, last: lastOf(map) })) failWith('EINVAL');
    const mapping: Type1Mapping = {
      iova: map.iova,
      size: map.size,
      access: map.flags & ACCESS,
      vaddr: map.vaddr,
      vaddrInvalid: false,
      account,
      pinned: false,
    };
    if (this.#domains.pins) this.#pinning.pin(mapping);
    try {
      this.#domains.map(mapping);
    } catch (error) {
      this.#pinning.unpin(mapping);
      throw error;
    }
    this.#mappings.insert(mapping);
    this.#available -= 1;
  }

  /** Sets the new address of a mapping's memory, after UNMAP_DMA with FLAG_VADDR. */
  async #setVaddr(map: DmaMap, present: Type1Mapping | undefined, account: MemlockAccount): Promise<void> {
    if (present === undefined) failWith('ENOENT');
    if (!present.vaddrInvalid || present.iova !== map.iova || present.size !== map.size) failWith('EINVAL');
    this.#pinning.changeAccount(present, account);
    present.vaddr = map.vaddr;
    present.vaddrInvalid = false;
    this.#vaddrInvalidCount -= 1;
    await this.#domains.unmap(present.iova, present.size);
    this.#domains.map(present);
  }

  #lastToUnmap(unmap: DmaUnmap, all: boolean): bigint {
    if (!isAligned(unmap.iova, this.#pageSize)) failWith('EINVAL');
    if (all) return unmap.iova === 0n && unmap.size === 0n ? U64_MAX : failWith('EINVAL');
    const last = lastOf(unmap);
    if (unmap.size === 0n || !isAligned(unmap.size, this.#pageSize) || last > U64_MAX) failWith('EINVAL');
    return last;
  }

  /** @throws EINVAL if an end of the range lies inside a mapping */
  #checkWhole(start: bigint, last: bigint): void {
    const first = this.#mappings.find(start, start);
    const end = this.#mappings.find(last, last);
    if (first !== undefined && first.iova !== start) failWith('EINVAL');
    if (end !== undefined && lastOf(end) !== last) failWith('EINVAL');
  }

  /** Returns the mappings to unmap. v1 takes whole mappings that start in the range, none if the range starts inside one. */
  #victims(start: bigint, last: bigint): Type1Mapping[] {
    const victims = [...this.#mappings.overlapping(start, last)];
    const first = victims[0];
    return this.version === 'v1' && first !== undefined && first.iova < start ? [] : victims;
  }

  #invalidateVaddrs(victims: readonly Type1Mapping[]): bigint {
    if (victims.some((mapping) => mapping.vaddrInvalid)) failWith('EINVAL');
    for (const mapping of victims) mapping.vaddrInvalid = true;
    this.#vaddrInvalidCount += victims.length;
    return victims.reduce((sum, mapping) => sum + mapping.size, 0n);
  }

  async #remove(victims: readonly Type1Mapping[]): Promise<void> {
    const first = victims[0];
    const last = victims.at(-1);
    if (first === undefined || last === undefined) return;
    await this.#domains.unmap(first.iova, lastOf(last) - first.iova + 1n);
    for (const mapping of victims) {
      this.#mappings.delete(mapping);
      this.#forget(mapping);
    }
  }

  /** Clears the dirty record of unmapped ranges, so that the next mapping there starts clean. */
  #dropRecord(victims: readonly Type1Mapping[]): void {
    for (const { iova, size } of victims) {
      this.#domains.takeDirty({ iova, size, pageSize: this.#pageSize }, bitmapBytes(size / this.#pageSize));
    }
  }

  /** Drops every mapping. The domains that had them are closed. */
  #forgetAll(): void {
    for (const mapping of this.#mappings) this.#forget(mapping);
    this.#mappings.clear();
  }

  #forget(mapping: Type1Mapping): void {
    this.#pinning.unpin(mapping);
    if (mapping.vaddrInvalid) this.#vaddrInvalidCount -= 1;
    this.#available += 1;
  }
}

function isAlwaysThere(extension: number): boolean {
  return (
    extension === VFIO_TYPE1_IOMMU ||
    extension === VFIO_TYPE1v2_IOMMU ||
    extension === VFIO_TYPE1_NESTING_IOMMU ||
    extension === VFIO_UNMAP_ALL
  );
}
