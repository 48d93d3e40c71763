import { SMALLEST_IOMMU_PAGE, type DirtyRange, type ReservedRange } from '../../base/iova-range.js';
import { VfioError } from '../../base/errors.js';
import type { IoasFileMap, IommufdKernel } from '../../kernel/iommufd.js';
import type { DmaPieces, Fd, VfioKernel } from '../../kernel/kernel.js';
import { IOMMU_IOAS_MAP_FIXED_IOVA, IOMMU_IOAS_MAP_READABLE, IOMMU_IOAS_MAP_WRITEABLE } from '../../uapi/iommufd.js';
import { readLockedMemory, type LockedMemory } from '../../kernel/locked-memory.js';
import { queryGroup, queryReservedRanges } from '../../sysfs/iommu-group.js';
import { Unwinding } from '../../base/unwinding.js';
import type { DmaChunk, DmaLimits, DmaRights, DmaTarget, DmaTargetRegistry } from '../dma-target.js';
import { PageTables } from './page-tables.js';

/** A kernel that also has the iommufd operations. */
export type KernelWithIommufd = VfioKernel & IommufdKernel;

/** The IOAS that the devices of one space share, in an iommufd of its own. Source: drivers/iommu/iommufd/ioas.c */
export class Ioas implements DmaTarget {
  /** How many devices use it. */
  users = 0;
  /** The folder under /sys of each of its devices, by name. */
  readonly devices = new Map<string, string>();
  /** The page tables of its devices. */
  readonly pageTables: PageTables;
  /** Whether the kernel may support IOMMU_IOAS_MAP_FILE. False after it failed with ENOTTY. */
  #mapsFiles = true;

  private constructor(
    private readonly kernel: KernelWithIommufd,
    readonly space: DmaTargetRegistry,
    readonly iommufd: Fd,
    readonly ioasId: number,
  ) {
    this.pageTables = new PageTables(kernel, iommufd, ioasId);
  }

  /** Opens an iommufd and allocates an IOAS. @throws (rejects) ENOENT if the kernel has no iommufd; EACCES */
  static async create(kernel: KernelWithIommufd, space: DmaTargetRegistry): Promise<Ioas> {
    const iommufd = await kernel.openIommufd();
    const undo = new Unwinding();
    undo.push(() => kernel.close(iommufd));
    try {
      return new Ioas(kernel, space, iommufd, kernel.allocIoas(iommufd));
    } catch (error) {
      throw await undo.failed(error);
    }
  }

  /** Destroys the IOAS with all its mappings and closes its iommufd. */
  async destroy(): Promise<void> {
    const undo = new Unwinding();
    undo.push(() => this.kernel.close(this.iommufd));
    undo.push(() => this.kernel.destroy(this.iommufd, this.ioasId));
    await undo.runOrThrow();
  }

  queryLimits(): Promise<DmaLimits> {
    const { iovaAlignment, ranges } = this.kernel.getIovaRanges(this.iommufd, this.ioasId);
    const pageSizes = iovaAlignment > 0n ? iovaAlignment : SMALLEST_IOMMU_PAGE;
    return Promise.resolve({
      ranges,
      // The kernel has already left them out of the ranges.
      reserved: [],
      pageSizes,
      entriesLeft: undefined,
      entryLimit: undefined,
      dirtyPageSizes: this.pageTables.tracks ? pageSizes : 0n,
    });
  }

  async queryReserved(): Promise<readonly ReservedRange[]> {
    const { sysfs } = this.kernel;
    const groups = await Promise.all([...this.devices].map(([name, sysfsPath]) => queryGroup(sysfs, sysfsPath, name)));
    const ids = new Set(groups.map(({ id }) => id));
    return (await Promise.all([...ids].map((id) => queryReservedRanges(sysfs, id)))).flat();
  }

  async queryLocked(): Promise<LockedMemory> {
    return this.kernel.lockedMemory?.() ?? readLockedMemory('iommufd');
  }

  async map({ vaddr, iova, size, read, write, file }: DmaChunk): Promise<void> {
    const { ioasId } = this;
    const flags = ioasMapFlags(read, write);
    if (file !== undefined && (await this.#mapFile({ ioasId, flags, file: file.fd, start: file.offset, iova, size })))
      return;
    await this.kernel.mapIoas(this.iommufd, { ioasId, flags, vaddr, iova, size });
  }

  async mapPieces(pieces: DmaPieces, { read, write }: DmaRights): Promise<number> {
    return (await this.kernel.mapIoasPieces?.(this.iommufd, this.ioasId, ioasMapFlags(read, write), pieces)) ?? 0;
  }

  /** Maps a memfd by its file: the kernel then pins whole folios. @returns false if the kernel does not support it */
  async #mapFile(map: IoasFileMap): Promise<boolean> {
    if (!this.#mapsFiles) return false;
    try {
      await this.kernel.mapIoasFile(this.iommufd, map);
      return true;
    } catch (error) {
      if (!(error instanceof VfioError) || error.code !== 'ENOTTY') throw error;
      this.#mapsFiles = false;
      return false;
    }
  }

  /** Unmaps a range. As with type1, a range without mappings is not an error. */
  async unmap({ iova, size }: { iova: bigint; size: bigint }): Promise<bigint> {
    try {
      const unmapped = await this.kernel.unmapIoas(this.iommufd, this.ioasId, iova, size);
      this.pageTables.forget(iova, size);
      return unmapped;
    } catch (error) {
      if (error instanceof VfioError && error.code === 'ENOENT') return 0n;
      throw error;
    }
  }

  /** Reads, then unmaps: iommufd has no call for both. Writes of the device between the two calls are not reported. */
  async unmapDirty(range: DirtyRange): Promise<Uint8Array> {
    const bitmap = await this.pageTables.readDirty(range, true);
    await this.unmap(range);
    return bitmap;
  }

  setDirtyTracking(enabled: boolean): Promise<void> {
    return this.pageTables.setTracking(enabled);
  }

  takeDirty(range: DirtyRange): Promise<Uint8Array> {
    return this.pageTables.readDirty(range);
  }
}

function ioasMapFlags(read: boolean, write: boolean): number {
  const access = (read ? IOMMU_IOAS_MAP_READABLE : 0) | (write ? IOMMU_IOAS_MAP_WRITEABLE : 0);
  return IOMMU_IOAS_MAP_FIXED_IOVA | access;
}
