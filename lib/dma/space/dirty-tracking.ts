import type { DmaTarget } from '../../backends/dma-target.js';
import { invalidArgument, systemError, VfioError } from '../../base/errors.js';
import type { DirtyRange } from '../../base/iova-range.js';
import { UnreportedPages } from '../../base/unreported-pages.js';
import { Unwinding } from '../../base/unwinding.js';
import type { MappingRecord } from './mapping-table.js';
import type { TargetSet } from './target-set.js';

/** The record of the pages that devices write, joined over the IOMMU objects of a space. Thread: the space's. */
export class DirtyTracking {
  readonly #targets: TargetSet;
  readonly #unreported = new UnreportedPages();
  #enabled = false;

  /** @param targets the IOMMU objects of the space, now and later */
  constructor(targets: TargetSet) {
    this.#targets = targets;
  }

  /** Starts or stops it in all targets, or in none if one fails. @throws ERR_NOT_SUPPORTED if a target cannot track */
  async set(enabled: boolean): Promise<void> {
    if (enabled === this.#enabled) return;
    if (enabled && this.#targets.dirtyPageSizes === 0n) throw noTracking();
    const undo = new Unwinding();
    try {
      for (const target of this.#targets.targets) {
        await target.setDirtyTracking(enabled);
        undo.push(() => target.setDirtyTracking(!enabled));
      }
      this.#enabled = enabled;
      this.#unreported.forgetAll();
    } catch (error) {
      throw await undo.failed(error);
    }
  }

  /** Starts it in a target that is being added, if it is on. */
  async include(target: DmaTarget): Promise<void> {
    if (this.#enabled) await target.setDirtyTracking(true);
  }

  /** @throws ERR_INVALID_ARGUMENT if it is off */
  require(): void {
    if (!this.#enabled) throw invalidArgument('dirty tracking is off', 'call `startDirtyTracking` first');
  }

  /**
   * Reads and clears the record of a range. If a target fails, the next call returns what the others reported.
   * @returns a bit per page, the first in bit 0 of byte 0
   */
  take(range: DirtyRange): Promise<Uint8Array> {
    this.require();
    const reads = [...this.#targets.targets].map((target) => () => target.takeDirty(range));
    return this.#unreported.read(range, reads);
  }

  /**
   * Unmaps a mapping from each of its targets and reads the record of its range. If a target fails, the next call returns
   * what the others reported.
   */
  unmap(record: MappingRecord, pageSize: bigint): Promise<Uint8Array> {
    const range = { iova: record.iova, size: record.size, pageSize };
    const unmaps = [...record.targets].map((target) => async () => {
      const bitmap = await target.unmapDirty(range);
      record.targets.delete(target);
      return bitmap;
    });
    return this.#unreported.read(range, unmaps);
  }

  /** Drops the pages of a mapping that has ended. */
  forget({ iova, size }: MappingRecord): void {
    this.#unreported.forget(iova, size);
  }
}

function noTracking(): VfioError {
  const cause = systemError('ENOTTY', 'ioctl(VFIO_IOMMU_DIRTY_PAGES)');
  return new VfioError('the IOMMU does not track dirty pages', { code: 'ERR_NOT_SUPPORTED', cause });
}
