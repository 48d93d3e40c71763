import type { DirtyRange } from '../../base/iova-range.js';
import { UnreportedPages } from '../../base/unreported-pages.js';
import { VfioError } from '../../base/errors.js';
import type { IommufdKernel } from '../../kernel/iommufd.js';
import type { Fd } from '../../kernel/kernel.js';
import { IOMMU_HW_CAP_DIRTY_TRACKING, IOMMU_HWPT_ALLOC_DIRTY_TRACKING } from '../../uapi/iommufd.js';
import { Unwinding } from '../../base/unwinding.js';

type PageTableKernel = Pick<
  IommufdKernel,
  | 'attachIommufdPt'
  | 'detachIommufdPt'
  | 'allocHwpt'
  | 'destroy'
  | 'getHwInfo'
  | 'setHwptDirtyTracking'
  | 'getHwptDirtyBitmap'
>;

/** A hardware page table with dirty tracking, and how many devices use it. */
interface PageTable {
  readonly id: number;
  users: number;
}

/** The errors of a kernel that is too old, or of a device without an IOMMU that reports its capabilities. */
const TRACKING_UNKNOWN: ReadonlySet<string> = new Set(['EOPNOTSUPP', 'ENOTTY', 'ENOENT', 'EINVAL', 'ENODEV']);

/**
 * The page tables of the devices of an IOAS. A device whose IOMMU can track writes gets a hardware page table with dirty
 * tracking; devices share it where the kernel allows. Any other device is attached to the IOAS, for which the kernel makes the
 * page table. Thread: the one that made it. Source: drivers/iommu/iommufd/hw_pagetable.c
 */
export class PageTables {
  readonly #kernel: PageTableKernel;
  readonly #iommufd: Fd;
  readonly #ioasId: number;
  readonly #tables = new Set<PageTable>();
  /** How many devices are attached to the IOAS itself: their writes are not tracked. */
  #untracked = 0;
  #enabled = false;
  readonly #unreported = new UnreportedPages();

  constructor(kernel: PageTableKernel, iommufd: Fd, ioasId: number) {
    this.#kernel = kernel;
    this.#iommufd = iommufd;
    this.#ioasId = ioasId;
  }

  /** Whether the writes of every device can be tracked. */
  get tracks(): boolean {
    return this.#tables.size > 0 && this.#untracked === 0;
  }

  /** Attaches a bound device to a page table. @param undo gets the step that detaches it */
  async attach(device: Fd, deviceId: number, undo: Unwinding): Promise<void> {
    const table = this.#canTrack(deviceId) ? await this.#tableFor(device, deviceId, undo) : undefined;
    if (table !== undefined) return;
    await this.#kernel.attachIommufdPt(device, this.#ioasId);
    this.#untracked += 1;
    undo.push(async () => {
      this.#untracked -= 1;
      await this.#kernel.detachIommufdPt(device);
    });
  }

  /** Starts or stops dirty tracking on all page tables, or on none. @throws (rejects) ERR_NOT_SUPPORTED if a device lacks it */
  async setTracking(enabled: boolean): Promise<void> {
    if (enabled) this.#requireTracking();
    const undo = new Unwinding();
    try {
      for (const { id } of this.#tables) {
        await this.#kernel.setHwptDirtyTracking(this.#iommufd, id, enabled);
        undo.push(() => this.#kernel.setHwptDirtyTracking(this.#iommufd, id, !enabled));
      }
      this.#enabled = enabled;
      this.#unreported.forgetAll();
    } catch (error) {
      throw await undo.failed(error);
    }
  }

  /**
   * Reads the dirty pages of a range, which must be mapped without a gap. Pages that were read before an error are kept for the
   * next call.
   * @param keep whether the pages stay dirty
   * @throws (rejects) EINVAL; ERR_NOT_SUPPORTED
   */
  async readDirty(range: DirtyRange, keep = false): Promise<Uint8Array> {
    this.#requireTracking();
    const read = (id: number): Promise<Uint8Array> =>
      this.#kernel.getHwptDirtyBitmap(this.#iommufd, id, { ...range, keep });
    const reads = [...this.#tables].map(
      ({ id }) =>
        () =>
          read(id),
    );
    const bitmap = await this.#unreported.read(range, reads);
    if (keep) this.#unreported.keep(range, Uint8Array.from(bitmap));
    return bitmap;
  }

  /** Forgets the dirty pages of a range that is no longer mapped. */
  forget(iova: bigint, size: bigint): void {
    this.#unreported.forget(iova, size);
  }

  #canTrack(deviceId: number): boolean {
    try {
      const { capabilities } = this.#kernel.getHwInfo(this.#iommufd, deviceId);
      return (capabilities & IOMMU_HW_CAP_DIRTY_TRACKING) !== 0n;
    } catch (error) {
      if (error instanceof VfioError && TRACKING_UNKNOWN.has(error.code)) return false;
      throw error;
    }
  }

  /** Attaches to the first page table that fits, else to a new one. @returns undefined if none can be allocated */
  async #tableFor(device: Fd, deviceId: number, undo: Unwinding): Promise<PageTable | undefined> {
    for (const table of this.#tables) {
      if (!(await this.#attachIfFits(device, table))) continue;
      this.#hold(device, table, undo);
      return table;
    }
    const table = await this.#make(deviceId);
    if (table === undefined) return undefined;
    this.#tables.add(table);
    undo.push(() => this.#destroyUnused(table));
    if (this.#enabled) await this.#kernel.setHwptDirtyTracking(this.#iommufd, table.id, true);
    await this.#kernel.attachIommufdPt(device, table.id);
    table.users += 1;
    undo.push(() => this.#leave(device, table));
    return table;
  }

  #hold(device: Fd, table: PageTable, undo: Unwinding): void {
    table.users += 1;
    undo.push(() => this.#destroyUnused(table));
    undo.push(() => this.#leave(device, table));
  }

  /** Attaches to a page table. @returns false if the table is for another IOMMU: the kernel fails with EINVAL */
  async #attachIfFits(device: Fd, { id }: PageTable): Promise<boolean> {
    try {
      await this.#kernel.attachIommufdPt(device, id);
      return true;
    } catch (error) {
      if (error instanceof VfioError && error.code === 'EINVAL') return false;
      throw error;
    }
  }

  async #make(deviceId: number): Promise<PageTable | undefined> {
    try {
      const flags = IOMMU_HWPT_ALLOC_DIRTY_TRACKING;
      return { id: await this.#kernel.allocHwpt(this.#iommufd, flags, deviceId, this.#ioasId), users: 0 };
    } catch (error) {
      if (error instanceof VfioError && TRACKING_UNKNOWN.has(error.code)) return undefined;
      throw error;
    }
  }

  async #leave(device: Fd, table: PageTable): Promise<void> {
    table.users -= 1;
    await this.#kernel.detachIommufdPt(device);
  }

  async #destroyUnused(table: PageTable): Promise<void> {
    if (table.users > 0 || !this.#tables.delete(table)) return;
    await this.#kernel.destroy(this.#iommufd, table.id);
  }

  #requireTracking(): void {
    if (this.tracks) return;
    throw new VfioError('the IOMMU of a device that is attached by iommufd cannot track writes', {
      code: 'ERR_NOT_SUPPORTED',
      hint: "look at `dirtyPageSizes` first, or attach with the backend 'container'",
    });
  }
}
