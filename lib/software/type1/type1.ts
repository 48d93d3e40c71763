import type { DirtyRange } from '../../base/iova-range.js';
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
import type { VfioGroupType } from '../group/group.js';
import type { IommuDriver, IommuDriverType } from '../container/iommu-driver.js';
import type { IommuGroup } from '../group/iommu-group.js';
import { contains } from '../iommu/iova-ranges.js';
import { lastOf, Mappings, type Mapping } from './mappings.js';
import { MemoryPinning, type ProbeMemory } from './memlock.js';
import { Mutex } from '../mutex.js';
import type { MachineSettings } from '../machine/options.js';
import type { SoftwareProcess } from '../machine/process.js';
import { refuse } from '../refusal.js';
import { Type1Domains } from './domains.js';
import { type1Info } from './info.js';
import { bitmapBytes, checkBitmap, checkUnmapBitmap, isAligned, U64_MAX } from './checks.js';

/** sizeof(struct vfio_iommu_type1_dma_map), up to `size` */
const MAP_SIZE = 32;
/** sizeof(struct vfio_iommu_type1_dma_unmap), up to `size` */
const UNMAP_SIZE = 24;
const ACCESS = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE;
const MAP_FLAGS = ACCESS | VFIO_DMA_MAP_FLAG_VADDR;
const UNMAP_FLAGS = VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP | VFIO_DMA_UNMAP_FLAG_ALL | VFIO_DMA_UNMAP_FLAG_VADDR;

/** What a type1 IOMMU needs of its machine. */
export interface Type1Environment {
  readonly settings: MachineSettings;
  readonly createDomain: () => IommuDomain;
  readonly probeMemory: ProbeMemory;
}

/** `v1` unmaps what starts in a range, `v2` whole mappings alone; `compat` is v2 as iommufd speaks it. */
export type Type1Version = 'v1' | 'v2' | 'compat';

/** Makes the kind of IOMMU that SET_IOMMU knows as type 1, 3 and 6. */
export function type1Type(environment: Type1Environment): IommuDriverType {
  return {
    noiommu: false,
    checkExtension: (extension) => (isAlwaysThere(extension) ? 1 : 0),
    open: (extension) => {
      if (extension === VFIO_TYPE1_IOMMU) return new Type1(environment, 'v1');
      if (extension === VFIO_TYPE1v2_IOMMU) return new Type1(environment, 'v2');
      // No nested translation in this IOMMU: the kernel finds that out at the first group, with the same errno.
      return refuse('EINVAL');
    },
  };
}

/** The address space of a container and its rules. Source: drivers/vfio/vfio_iommu_type1.c */
export class Type1 implements IommuDriver {
  readonly #lock = new Mutex();
  readonly #mappings = new Mappings();
  readonly #pinning: MemoryPinning;
  readonly #domains: Type1Domains;
  readonly #settings: MachineSettings;
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
    if (extension === VFIO_UPDATE_VADDR) return this.#domains.hasEmulated || this.version === 'compat' ? 0 : 1;
    if (extension === VFIO_DMA_CC_IOMMU) return this.#domains.allEnforceCoherency ? 1 : 0;
    return 0;
  }

  attachGroup(group: IommuGroup, type: VfioGroupType): Promise<void> {
    return this.#lock.run(() => {
      if (this.#vaddrInvalidCount > 0) refuse('EBUSY');
      if (this.#domains.has(group)) refuse('EINVAL');
      return type === 'emulated' ? this.#domains.attachEmulated(group) : this.#domains.attach(group);
    });
  }

  detachGroup(group: IommuGroup): Promise<void> {
    return this.#lock.run(() => {
      const pinned = this.#domains.pins;
      const last = this.#domains.detach(group);
      if (pinned && !this.#domains.pins) for (const mapping of this.#mappings) this.#pinning.unpin(mapping);
      if (last && this.version !== 'compat') this.#forgetAll();
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

  /** @throws EINVAL, ENOENT, EEXIST, ENOSPC, EFAULT, ENOMEM */
  map(map: DmaMap, caller: SoftwareProcess): Promise<void> {
    if ((map.argsz ?? MAP_SIZE) < MAP_SIZE || (map.flags & ~MAP_FLAGS) !== 0) refuse('EINVAL');
    const setsVaddr = (map.flags & VFIO_DMA_MAP_FLAG_VADDR) !== 0;
    if (setsVaddr === ((map.flags & ACCESS) !== 0)) refuse('EINVAL');
    return this.#lock.run(() => {
      if (map.size === 0n || !isAligned(map.size | map.iova | map.vaddr, this.#pageSize)) refuse('EINVAL');
      if (lastOf(map) > U64_MAX || map.vaddr + map.size - 1n > U64_MAX) refuse('EINVAL');
      const present = this.#mappings.find(map.iova, lastOf(map));
      if (setsVaddr) return this.#setVaddr(map, present, caller);
      if (present !== undefined) refuse('EEXIST');
      return this.#add(map, caller);
    });
  }

  /** @throws EINVAL, ENOENT (compat), EBUSY */
  unmap(unmap: DmaUnmap): Promise<DmaUnmapResult> {
    if ((unmap.argsz ?? UNMAP_SIZE) < UNMAP_SIZE || (unmap.flags & ~UNMAP_FLAGS) !== 0) refuse('EINVAL');
    const all = (unmap.flags & VFIO_DMA_UNMAP_FLAG_ALL) !== 0;
    const vaddrOnly = (unmap.flags & VFIO_DMA_UNMAP_FLAG_VADDR) !== 0;
    const wantsBitmap = (unmap.flags & VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP) !== 0;
    if (wantsBitmap) checkUnmapBitmap(unmap, all || vaddrOnly);
    return this.#lock.run(async () => {
      if (vaddrOnly && this.#domains.hasEmulated) refuse('EBUSY');
      const last = this.#lastToUnmap(unmap, all);
      if (wantsBitmap && (!this.#tracksDirty || unmap.bitmap?.pageSize !== this.#pageSize)) refuse('EINVAL');
      if (this.version !== 'v1' && !all) this.#checkWhole(unmap.iova, last);
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
    checkBitmap(range);
    return this.#lock.run(() => {
      if (range.pageSize !== this.#pageSize || !isAligned(range.iova | range.size, this.#pageSize)) refuse('EINVAL');
      if (!this.#tracksDirty) refuse('EINVAL');
      this.#checkWhole(range.iova, lastOf(range));
      return this.#domains.takeDirty(range, bitmapBytes(range.size / range.pageSize));
    });
  }

  /** VFIO_IOMMU_DIRTY_PAGES is v2's alone; iommufd does not know it. */
  #checkDirtyTracking(): void {
    if (this.version === 'v1') refuse('EACCES');
    if (this.version === 'compat') refuse('ENOTTY');
  }

  #add(map: DmaMap, caller: SoftwareProcess): void {
    if (this.#available === 0) refuse('ENOSPC');
    const { iovaRanges } = this.#domains;
    if (iovaRanges.length > 0 && !contains(iovaRanges, { start: map.iova, last: lastOf(map) })) refuse('EINVAL');
    const mapping: Mapping = {
      iova: map.iova,
      size: map.size,
      access: map.flags & ACCESS,
      vaddr: map.vaddr,
      vaddrInvalid: false,
      owner: caller,
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

  /** Gives a mapping its memory's new address, after UNMAP_DMA with FLAG_VADDR. */
  async #setVaddr(map: DmaMap, present: Mapping | undefined, caller: SoftwareProcess): Promise<void> {
    if (present === undefined) refuse('ENOENT');
    if (!present.vaddrInvalid || present.iova !== map.iova || present.size !== map.size) refuse('EINVAL');
    this.#pinning.changeOwner(present, caller);
    present.vaddr = map.vaddr;
    present.vaddrInvalid = false;
    this.#vaddrInvalidCount -= 1;
    await this.#domains.unmap(present.iova, present.size);
    this.#domains.map(present);
  }

  #lastToUnmap(unmap: DmaUnmap, all: boolean): bigint {
    if (!isAligned(unmap.iova, this.#pageSize)) refuse('EINVAL');
    if (all) return unmap.iova === 0n && unmap.size === 0n ? U64_MAX : refuse('EINVAL');
    const last = lastOf(unmap);
    if (unmap.size === 0n || !isAligned(unmap.size, this.#pageSize) || last > U64_MAX) refuse('EINVAL');
    return last;
  }

  /** Refuses a range that cuts a mapping in two. */
  #checkWhole(start: bigint, last: bigint): void {
    const first = this.#mappings.find(start, start);
    const end = this.#mappings.find(last, last);
    if (first !== undefined && first.iova !== start) refuse(this.version === 'compat' ? 'ENOENT' : 'EINVAL');
    if (end !== undefined && lastOf(end) !== last) refuse(this.version === 'compat' ? 'ENOENT' : 'EINVAL');
  }

  /** v1 takes what starts in the range, to its own end; and nothing when the range starts within a mapping. */
  #victims(start: bigint, last: bigint): Mapping[] {
    const victims = [...this.#mappings.overlapping(start, last)];
    const first = victims[0];
    return this.version === 'v1' && first !== undefined && first.iova < start ? [] : victims;
  }

  #invalidateVaddrs(victims: readonly Mapping[]): bigint {
    if (victims.some((mapping) => mapping.vaddrInvalid)) refuse('EINVAL');
    for (const mapping of victims) mapping.vaddrInvalid = true;
    this.#vaddrInvalidCount += victims.length;
    return victims.reduce((sum, mapping) => sum + mapping.size, 0n);
  }

  async #remove(victims: readonly Mapping[]): Promise<void> {
    const first = victims[0];
    const last = victims.at(-1);
    if (first === undefined || last === undefined) return;
    await this.#domains.unmap(first.iova, lastOf(last) - first.iova + 1n);
    for (const mapping of victims) {
      this.#mappings.delete(mapping);
      this.#forget(mapping);
    }
  }

  /** What is mapped there next is clean. */
  #dropRecord(victims: readonly Mapping[]): void {
    for (const { iova, size } of victims) {
      this.#domains.takeDirty({ iova, size, pageSize: this.#pageSize }, bitmapBytes(size / this.#pageSize));
    }
  }

  /** Drops every mapping; the domains that had them are gone. */
  #forgetAll(): void {
    for (const mapping of this.#mappings) this.#forget(mapping);
    this.#mappings.clear();
  }

  #forget(mapping: Mapping): void {
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
