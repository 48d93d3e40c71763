import type { DirtyRange } from '../../base/iova-range.js';
import type { DmaTarget } from '../../backends/backend.js';
import { UnreportedPages } from '../../base/unreported-pages.js';
import { invalidArgument, systemError, VfioError } from '../../base/errors.js';
import { Unwinding } from '../../base/unwinding.js';
import type { MappingRecord } from './mapping-table.js';
import type { TargetSet } from './target-set.js';

/** The record of the pages that devices write, joined over the IOMMU objects of a space. Thread: the space's. */
export class DirtyTracking {
  readonly #targets: TargetSet;
  readonly #untold = new UnreportedPages();
  #enabled = false;

  constructor(targets: TargetSet) {
    this.#targets = targets;
  }

  /** Starts or stops it, in all targets or none. @throws ERR_NOT_SUPPORTED */
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
      this.#untold.forgetAll();
    } catch (error) {
      throw await undo.failed(error);
    }
  }

  /** Has a target that comes later do as the others. */
  async include(target: DmaTarget): Promise<void> {
    if (this.#enabled) await target.setDirtyTracking(true);
  }

  /** @throws ERR_INVALID_ARGUMENT while it is off */
  require(): void {
    if (!this.#enabled) throw invalidArgument('dirty tracking is off', 'start it first');
  }

  /** Takes the record of a range; what is taken before a target fails is told the next time. */
  take(range: DirtyRange): Promise<Uint8Array> {
    this.require();
    const reads = [...this.#targets.targets].map((target) => () => target.takeDirty(range));
    return this.#untold.read(range, reads);
  }

  /** Unmaps a mapping from each of its targets and takes the record, likewise. */
  unmap(record: MappingRecord, pageSize: bigint): Promise<Uint8Array> {
    const range = { iova: record.iova, size: record.size, pageSize };
    const unmaps = [...record.targets].map((target) => async () => {
      const bitmap = await target.unmapDirty(range);
      record.targets.delete(target);
      return bitmap;
    });
    return this.#untold.read(range, unmaps);
  }

  /** Forgets what was written to a mapping that is there no more. */
  forget({ iova, size }: MappingRecord): void {
    this.#untold.forget(iova, size);
  }
}

/** The error of an IOMMU that does not track. */
function noTracking(): VfioError {
  const cause = systemError('ENOTTY', 'ioctl(VFIO_IOMMU_DIRTY_PAGES)');
  return new VfioError('the IOMMU does not track dirty pages', { code: 'ERR_NOT_SUPPORTED', cause });
}
