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

/** A page table made for tracking writes, and how many devices stand on it. */
interface PageTable {
  readonly id: number;
  users: number;
}

/** What kernels answer where a device stands behind no IOMMU that tells, or they are too old to ask. */
const TELLS_NOTHING: ReadonlySet<string> = new Set(['EOPNOTSUPP', 'ENOTTY', 'ENOENT', 'EINVAL', 'ENODEV']);

/**
 * What the devices of an IOAS stand on. One whose IOMMU can track writes gets a hardware page table made for it, and
 * shares it with all that it fits; every other one stands on the IOAS, which makes page tables by itself.
 * Source: drivers/iommu/iommufd/hw_pagetable.c
 */
export class PageTables {
  readonly #kernel: PageTableKernel;
  readonly #iommufd: Fd;
  readonly #ioasId: number;
  readonly #tables = new Set<PageTable>();
  /** Devices on the IOAS: nobody sees what they write. */
  #untracked = 0;
  #enabled = false;
  readonly #untold = new UnreportedPages();

  constructor(kernel: PageTableKernel, iommufd: Fd, ioasId: number) {
    this.#kernel = kernel;
    this.#iommufd = iommufd;
    this.#ioasId = ioasId;
  }

  /** Whether every device's writes can be tracked. */
  get tracks(): boolean {
    return this.#tables.size > 0 && this.#untracked === 0;
  }

  /** Gives a device that is bound its page table. @param undo gets what takes it away */
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

  /** Starts or stops tracking, on all page tables or none. @throws ERR_NOT_SUPPORTED */
  async setTracking(enabled: boolean): Promise<void> {
    if (enabled) this.#requireTracking();
    const undo = new Unwinding();
    try {
      for (const { id } of this.#tables) {
        await this.#kernel.setHwptDirtyTracking(this.#iommufd, id, enabled);
        undo.push(() => this.#kernel.setHwptDirtyTracking(this.#iommufd, id, !enabled));
      }
      this.#enabled = enabled;
      this.#untold.forgetAll();
    } catch (error) {
      throw await undo.failed(error);
    }
  }

  /**
   * Reads the record of a range that is mapped without a gap; what one page table told before another failed is kept.
   * @param keep leaves it as it is @throws EINVAL
   */
  async dirty(range: DirtyRange, keep = false): Promise<Uint8Array> {
    this.#requireTracking();
    const read = (id: number): Promise<Uint8Array> =>
      this.#kernel.getHwptDirtyBitmap(this.#iommufd, id, { ...range, keep });
    const reads = [...this.#tables].map(
      ({ id }) =>
        () =>
          read(id),
    );
    const bitmap = await this.#untold.read(range, reads);
    if (keep) this.#untold.keep(range, Uint8Array.from(bitmap));
    return bitmap;
  }

  /** Forgets what was written to a range that is mapped no more. */
  forget(iova: bigint, size: bigint): void {
    this.#untold.forget(iova, size);
  }

  #canTrack(deviceId: number): boolean {
    try {
      const { capabilities } = this.#kernel.getHwInfo(this.#iommufd, deviceId);
      return (capabilities & IOMMU_HW_CAP_DIRTY_TRACKING) !== 0n;
    } catch (error) {
      if (error instanceof VfioError && TELLS_NOTHING.has(error.code)) return false;
      throw error;
    }
  }

  /** Attaches to the first page table that fits, else to a new one; undefined where none can be made. */
  async #tableFor(device: Fd, deviceId: number, undo: Unwinding): Promise<PageTable | undefined> {
    for (const table of this.#tables) {
      if (!(await this.#fits(device, table))) continue;
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

  /** EINVAL is the kernel's answer for a page table of another kind of IOMMU. */
  async #fits(device: Fd, { id }: PageTable): Promise<boolean> {
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
      if (error instanceof VfioError && TELLS_NOTHING.has(error.code)) return undefined;
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
    throw new VfioError('the IOMMU of a device that is attached by iommufd tracks no writes', {
      code: 'ERR_NOT_SUPPORTED',
      hint: "ask `dirtyPageSizes` first, or attach by the backend 'container'",
    });
  }
}
