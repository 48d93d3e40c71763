import type { DirtyRange, ReservedRange } from '../../base/iova-range.js';
import { VfioError } from '../../base/errors.js';
import type { IoasFileMap, IommufdKernel } from '../../kernel/iommufd.js';
import type { DmaPieces, Fd, VfioKernel } from '../../kernel/kernel.js';
import { IOMMU_IOAS_MAP_FIXED_IOVA, IOMMU_IOAS_MAP_READABLE, IOMMU_IOAS_MAP_WRITEABLE } from '../../uapi/iommufd.js';
import { readLockedMemory, type LockedMemory } from '../../kernel/locked-memory.js';
import { queryGroup, queryReservedRanges } from '../../sysfs/iommu-group.js';
import { Unwinding } from '../../base/unwinding.js';
import type { DmaChunk, DmaLimits, DmaRights, DmaTarget, DmaTargetRegistry } from '../dma-target.js';
import { PageTables } from './page-tables.js';

/** A kernel that has iommufd beside the groups. */
export type KernelWithIommufd = VfioKernel & IommufdKernel;

const PAGE_SIZES_UNKNOWN = 4096n;

/** An IOAS in an iommufd of its own: what the devices of one space share. Source: drivers/iommu/iommufd/ioas.c */
export class Ioas implements DmaTarget {
  /** How many devices are in it. */
  users = 0;
  /** Their folders in /sys, by name. */
  readonly devices = new Map<string, string>();
  /** What its devices stand on. */
  readonly pageTables: PageTables;
  /** Unset once the kernel says that it cannot map a file's memory by the file. */
  #mapsFiles = true;

  private constructor(
    private readonly kernel: KernelWithIommufd,
    readonly space: DmaTargetRegistry,
    readonly iommufd: Fd,
    readonly ioasId: number,
  ) {
    this.pageTables = new PageTables(kernel, iommufd, ioasId);
  }

  /** @throws ENOENT where the kernel has no iommufd, EACCES */
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

  /** Ends the IOAS with all of its mappings. */
  async destroy(): Promise<void> {
    const undo = new Unwinding();
    undo.push(() => this.kernel.close(this.iommufd));
    undo.push(() => this.kernel.destroy(this.iommufd, this.ioasId));
    await undo.runOrThrow();
  }

  queryLimits(): Promise<DmaLimits> {
    const { iovaAlignment, ranges } = this.kernel.getIovaRanges(this.iommufd, this.ioasId);
    const pageSizes = iovaAlignment > 0n ? iovaAlignment : PAGE_SIZES_UNKNOWN;
    return Promise.resolve({
      ranges,
      // The ranges are without them already.
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

  queryLocked(): Promise<LockedMemory> {
    return readLockedMemory('iommufd');
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

  /** By the file the kernel pins whole folios, and needs no address of ours. @returns false where it cannot */
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

  /** As type1 does: a range in which nothing is mapped is no error. */
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

  /** iommufd cannot do both at once: what the device writes between the two is not told. */
  async unmapDirty(range: DirtyRange): Promise<Uint8Array> {
    const bitmap = await this.pageTables.dirty(range, true);
    await this.unmap(range);
    return bitmap;
  }

  setDirtyTracking(enabled: boolean): Promise<void> {
    return this.pageTables.setTracking(enabled);
  }

  takeDirty(range: DirtyRange): Promise<Uint8Array> {
    return this.pageTables.dirty(range);
  }
}

function ioasMapFlags(read: boolean, write: boolean): number {
  const access = (read ? IOMMU_IOAS_MAP_READABLE : 0) | (write ? IOMMU_IOAS_MAP_WRITEABLE : 0);
  return IOMMU_IOAS_MAP_FIXED_IOVA | access;
}
