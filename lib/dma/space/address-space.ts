import type { DirtyRange, IovaRange } from '../../base/iova-range.js';
import type { DmaLimits, DmaSpaceHost, DmaTarget } from '../../backends/backend.js';
import { invalidArgument } from '../../base/errors.js';
import { Gate } from '../../base/mutex.js';
import { throwFirst, Unwinding } from '../../base/unwinding.js';
import { noFit, refusedRange } from './explain.js';
import { MappingTable, type MappingRecord } from './mapping-table.js';
import { SpacePins } from '../memory/pins.js';
import { SpaceIovas } from '../iova/space-iovas.js';
import { checkPages, recordOf, type SpaceRequest } from './space-request.js';
import { aborted, mapInto, TargetSet, unmapFrom, type MapProgress } from './target-set.js';
import { DirtyTracking } from './dirty-tracking.js';

/**
 * The mappings of an address space, the same in every IOMMU object that has joined it; one that joins later gets them
 * all first. Thread: the one that made it.
 */
export class AddressSpace implements DmaSpaceHost {
  readonly #targets = new TargetSet();
  readonly #mappings = new MappingTable();
  /** Undefined from when a target comes or goes until they are asked for: devices come and go without. */
  #ranges: readonly IovaRange[] | undefined;
  readonly #iovas = new SpaceIovas(this.#mappings);
  /** Maps and unmaps run side by side; targets come and go alone. */
  readonly #gate = new Gate();
  readonly #tracking = new DirtyTracking(this.#targets);
  readonly #pins = new SpacePins();

  /** What can be mapped, ascending. */
  get ranges(): readonly IovaRange[] {
    return (this.#ranges ??= this.#targets.ranges());
  }

  /** The smallest page that every target can map, bytes. */
  get pageSize(): bigint {
    return this.#targets.pageSize;
  }

  get mappingCount(): number {
    return this.#mappings.size;
  }

  get targetCount(): number {
    return this.#targets.size;
  }

  get targets(): TargetSet {
    return this.#targets;
  }

  records(): Iterable<MappingRecord> {
    return this.#mappings.records();
  }

  /** Gives the mappings that are there once none is being made any more. */
  settled(): Promise<readonly MappingRecord[]> {
    return this.#gate.exclusive(() => Promise.resolve([...this.#mappings.records()]));
  }

  /** Counts a device, before it reaches anything. @returns what counts it out, once it no longer does */
  countDevice(device: { mediated: boolean }): () => void {
    return this.#pins.count(device);
  }

  /**
   * Maps memory into every target.
   * @param onEnded called once, when no device reaches it any more; after a map that failed, too
   * @throws EEXIST, EINVAL, ENOSPC, ENOMEM, EFAULT, ERR_ABORTED
   */
  map(request: SpaceRequest, onEnded?: () => void): Promise<MappingRecord> {
    return this.#gate.shared(async () => {
      checkPages(request, this.#targets.pageSize);
      const iova = this.#iovas.take(request, this) ?? (await this.#refuse(request));
      const letGo = await this.#hold(request, iova);
      const record = recordOf(request, iova, () => {
        letGo();
        onEnded?.();
      });
      this.#mappings.add(record);
      try {
        await this.#mapAll(record, request);
        return record;
      } catch (error) {
        throw await this.#takeBack(record, error);
      }
    });
  }

  /** Unmaps from every target; what one keeps, keeps the memory too. A later call tries again. @throws the kernel's */
  unmap(record: MappingRecord): Promise<void> {
    record.unmapping ??= this.#unmapOnce(record);
    return record.unmapping;
  }

  /**
   * Unmaps and gives the pages written until the very end, joined over the targets. Where one fails, what the others told
   * is kept for the next time.
   */
  async unmapDirty(record: MappingRecord, pageSize: bigint): Promise<Uint8Array> {
    if (record.unmapping !== undefined || record.ended) throw invalidArgument('the memory is being unmapped');
    this.#tracking.require();
    let bitmap: Uint8Array = new Uint8Array();
    const unmapping = this.#gate.shared(async () => {
      bitmap = await this.#tracking.unmap(record, pageSize);
      this.#forget(record);
    });
    record.unmapping = unmapping.finally(() => {
      record.unmapping = undefined;
    });
    await record.unmapping;
    return bitmap;
  }

  /** Starts or stops recording the pages that devices write. @throws ERR_NOT_SUPPORTED */
  setDirtyTracking(enabled: boolean): Promise<void> {
    return this.#gate.exclusive(() => this.#tracking.set(enabled));
  }

  /** Takes the record of written pages of a range, joined over the targets; what one that fails takes is kept. */
  takeDirty(range: DirtyRange): Promise<Uint8Array> {
    return this.#gate.shared(() => this.#tracking.take(range));
  }

  addTarget(target: DmaTarget): Promise<void> {
    return this.#gate.exclusive(async () => {
      const limits = await target.queryLimits();
      const undo = new Unwinding();
      try {
        if (this.#mappings.size > 0) await this.#replay(target, this.#targets.ranges(limits), undo);
        await this.#tracking.include(target);
      } catch (error) {
        throw await undo.failed(error);
      }
      this.#setLimits(target, limits);
    });
  }

  /** Maps what is mapped into one more target. */
  async #replay(target: DmaTarget, ranges: readonly IovaRange[], undo: Unwinding): Promise<void> {
    await this.#checkFits(ranges, target);
    await this.#pins.untilKept();
    for (const record of this.#mappings.records()) {
      await mapInto(target, record, { ranges, records: () => this.records() });
      undo.push(() => unmapFrom(target, record));
    }
  }

  refreshTarget(target: DmaTarget): Promise<void> {
    return this.#gate.exclusive(async () => {
      const limits = await target.queryLimits();
      this.#setLimits(target, limits);
    });
  }

  removeTarget(target: DmaTarget): Promise<void> {
    return this.#gate.exclusive(() => {
      this.#targets.delete(target);
      for (const record of this.#mappings.records()) record.targets.delete(target);
      this.#ranges = undefined;
      return Promise.resolve();
    });
  }

  #setLimits(target: DmaTarget, limits: DmaLimits): void {
    this.#targets.set(target, limits);
    this.#ranges = undefined;
  }

  async #unmapOnce(record: MappingRecord): Promise<void> {
    try {
      await this.#gate.shared(() => this.#unmap(record));
    } finally {
      record.unmapping = undefined;
    }
  }

  async #unmap(record: MappingRecord): Promise<void> {
    if (record.ended) return;
    const errors: unknown[] = [];
    for (const target of [...record.targets]) {
      try {
        await unmapFrom(target, record);
      } catch (error) {
        errors.push(error);
      }
    }
    if (record.targets.size === 0) this.#forget(record);
    throwFirst(errors);
  }

  /** Undoes a map that failed. @returns its error */
  async #takeBack(record: MappingRecord, error: unknown): Promise<unknown> {
    const undo = new Unwinding();
    undo.push(() => this.#unmap(record));
    return undo.failed(error);
  }

  #forget(record: MappingRecord): void {
    if (record.ended) return;
    record.ended = true;
    this.#mappings.delete(record);
    this.#tracking.forget(record);
    this.#iovas.release(record.iova, record.size);
    record.release();
  }

  /** Progress is told over all targets; without one an abort counts, too. */
  async #mapAll(record: MappingRecord, { signal, onProgress }: MapProgress): Promise<void> {
    if (signal?.aborted === true) throw aborted(signal);
    const count = BigInt(this.#targets.size);
    let done = 0n;
    const tell = onProgress && ((mapped: bigint): void => onProgress((done * record.size + mapped) / count));
    for (const target of this.#targets.targets) {
      await mapInto(target, record, this, { signal, onProgress: tell });
      done += 1n;
    }
  }

  /** Says that memory is mapped; the range is given back where that fails. */
  async #hold(request: SpaceRequest, iova: bigint): Promise<() => void> {
    try {
      return this.#pins.hold(request) ?? (await this.#pins.holdLater(request));
    } catch (error) {
      this.#iovas.release(iova, request.size);
      throw error;
    }
  }

  /** Says why a range is not to be had. */
  async #refuse({ iova, size, limit }: SpaceRequest): Promise<never> {
    if (iova === undefined) throw noFit(size, limit, this.ranges);
    const taken = this.#mappings.overlapping(iova, size);
    throw refusedRange({ iova, size }, this.ranges, { taken, reserved: await this.#targets.reserved() });
  }

  async #checkFits(ranges: readonly IovaRange[], target: DmaTarget): Promise<void> {
    for (const { iova, size } of this.#mappings.records()) {
      if (!ranges.some(({ start, last }) => start <= iova && iova + size - 1n <= last)) {
        throw refusedRange({ iova, size }, ranges, { reserved: await target.queryReserved() });
      }
    }
  }
}
