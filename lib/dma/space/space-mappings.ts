import type { DmaLimits, DmaTarget, DmaTargetRegistry } from '../../backends/dma-target.js';
import { invalidArgument } from '../../base/errors.js';
import type { DirtyRange, IovaRange } from '../../base/iova-range.js';
import { Gate } from '../../base/mutex.js';
import { throwFirst, Unwinding } from '../../base/unwinding.js';
import { FreeIovas } from '../iova/iova-allocator.js';
import { SpacePins } from '../memory/pins.js';
import { DirtyTracking } from './dirty-tracking.js';
import { iovaRejected, noFreeIova } from './explain.js';
import { aborted, mapRecord, unmapRecord } from './map-chunks.js';
import { checkPages, type MapProgress, type MapRequest } from './map-request.js';
import { mappingRecord, MappingTable, type MappingRecord } from './mapping-table.js';
import { TargetSet } from './target-set.js';

/**
 * The mappings of a DMA space. Every IOMMU object of the space has all of them; one that is added later gets them all
 * before it is counted as added. Thread: the space's.
 */
export class SpaceMappings implements DmaTargetRegistry {
  readonly #targets = new TargetSet();
  readonly #mappings = new MappingTable();
  readonly #iovas = new FreeIovas(() => this.#mappings.ranges());
  readonly #pins = new SpacePins();
  readonly #tracking = new DirtyTracking(this.#targets);
  /** Maps and unmaps run side by side. While a target is added or removed, none runs. */
  readonly #gate = new Gate();
  /** Undefined from when a target is added or removed until someone asks: most attaches map nothing. */
  #ranges: readonly IovaRange[] | undefined;

  /** The IOVAs that can be mapped, ascending. */
  get ranges(): readonly IovaRange[] {
    return (this.#ranges ??= this.#targets.ranges());
  }

  /** The smallest page that every target can map, bytes. */
  get pageSize(): bigint {
    return this.#targets.pageSize;
  }

  /** The number of mappings. */
  get mappingCount(): number {
    return this.#mappings.size;
  }

  /** The IOMMU objects of the space. */
  get targets(): TargetSet {
    return this.#targets;
  }

  /** Returns all mappings, by ascending IOVA. */
  records(): Iterable<MappingRecord> {
    return this.#mappings.records();
  }

  /** Waits until no map or unmap runs. @returns the mappings that exist then */
  settled(): Promise<readonly MappingRecord[]> {
    return this.#gate.exclusive(() => Promise.resolve([...this.#mappings.records()]));
  }

  /**
   * Counts a device, before it can reach anything: memory that devices may have pinned is not discarded.
   * @returns a function that uncounts it; call it when the device can reach nothing any more
   */
  countDevice(device: { mediated: boolean }): () => void {
    return this.#pins.count(device);
  }

  /**
   * Maps memory into every target. If one fails, it is unmapped from the others.
   * @param onEnded called once when no device reaches the memory any more, also after a map that failed halfway
   * @throws ERR_INVALID_ARGUMENT, ERR_ABORTED, EEXIST, EINVAL, ENOSPC, ENOMEM, EFAULT
   */
  map(request: MapRequest, onEnded?: () => void): Promise<MappingRecord> {
    return this.#gate.shared(async () => {
      checkPages(request, this.#targets.pageSize);
      const iova = this.#iovas.take(request, request.memory.size, this) ?? (await this.#rejectIova(request));
      const unpin = await this.#pin(request, iova);
      const record = mappingRecord(request, iova, () => {
        unpin();
        onEnded?.();
      });
      this.#mappings.add(record);
      try {
        await this.#mapAll(record, request);
        return record;
      } catch (error) {
        throw await this.#undoMap(record, error);
      }
    });
  }

  /**
   * Unmaps memory from every target. Calls at the same time share the work. While a target keeps the mapping, the memory
   * is not released, and a later call tries again.
   * @throws the errors of `DmaTarget.unmap`
   */
  unmap(record: MappingRecord): Promise<void> {
    record.unmapping ??= this.#unmapOnce(record);
    return record.unmapping;
  }

  /**
   * Unmaps memory and reads which pages were written until then, joined over the targets. If a target fails, the pages that
   * the others reported are kept for the next call.
   * @param pageSize bytes, one of the space's sizes for dirty tracking
   * @throws ERR_INVALID_ARGUMENT if dirty tracking is off or the memory is being unmapped; the errors of `DmaTarget`
   */
  async unmapDirty(record: MappingRecord, pageSize: bigint): Promise<Uint8Array> {
    if (record.unmapping !== undefined || record.ended) throw invalidArgument('the memory is being unmapped');
    this.#tracking.require();
    let bitmap: Uint8Array = new Uint8Array();
    const unmapping = this.#gate.shared(async () => {
      bitmap = await this.#tracking.unmap(record, pageSize);
      this.#end(record);
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

  /**
   * Reads and clears the record of written pages of a range, joined over the targets. If a target fails, the pages that the
   * others reported are kept for the next call.
   * @throws ERR_INVALID_ARGUMENT if dirty tracking is off; the errors of `DmaTarget.takeDirty`
   */
  takeDirty(range: DirtyRange): Promise<Uint8Array> {
    return this.#gate.shared(() => this.#tracking.take(range));
  }

  addTarget(target: DmaTarget): Promise<void> {
    return this.#gate.exclusive(async () => {
      const limits = await target.queryLimits();
      const undo = new Unwinding();
      try {
        if (this.#mappings.size > 0) await this.#mapAllInto(target, this.#targets.ranges(limits), undo);
        await this.#tracking.include(target);
      } catch (error) {
        throw await undo.failed(error);
      }
      this.#setLimits(target, limits);
    });
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

  /** Maps all mappings of the space into a new target. @param ranges what can be mapped with the target */
  async #mapAllInto(target: DmaTarget, ranges: readonly IovaRange[], undo: Unwinding): Promise<void> {
    await this.#requireFit(ranges, target);
    await this.#pins.untilNoDiscard();
    for (const record of this.#mappings.records()) {
      await mapRecord(target, record, { ranges, records: () => this.records() });
      undo.push(() => unmapRecord(target, record));
    }
  }

  #setLimits(target: DmaTarget, limits: DmaLimits): void {
    this.#targets.set(target, limits);
    this.#ranges = undefined;
  }

  async #unmapOnce(record: MappingRecord): Promise<void> {
    try {
      await this.#gate.shared(() => this.#unmapAll(record));
    } finally {
      record.unmapping = undefined;
    }
  }

  /** Unmaps a record from all of its targets, even if some fail. */
  async #unmapAll(record: MappingRecord): Promise<void> {
    if (record.ended) return;
    const errors: unknown[] = [];
    for (const target of [...record.targets]) {
      try {
        await unmapRecord(target, record);
      } catch (error) {
        errors.push(error);
      }
    }
    if (record.targets.size === 0) this.#end(record);
    throwFirst(errors);
  }

  /** Undoes a map that failed. @returns its error; errors of the undoing are its cause */
  async #undoMap(record: MappingRecord, error: unknown): Promise<unknown> {
    const undo = new Unwinding();
    undo.push(() => this.#unmapAll(record));
    return undo.failed(error);
  }

  #end(record: MappingRecord): void {
    if (record.ended) return;
    record.ended = true;
    this.#mappings.delete(record);
    this.#tracking.forget(record);
    this.#iovas.release(record.iova, record.size);
    record.release();
  }

  /** Maps a record into all targets and reports the mean of their progress. A space without targets can be aborted, too. */
  async #mapAll(record: MappingRecord, { signal, onProgress }: MapProgress): Promise<void> {
    if (signal?.aborted === true) throw aborted(signal);
    const count = BigInt(this.#targets.size);
    let done = 0n;
    const report = onProgress && ((mapped: bigint): void => onProgress((done * record.size + mapped) / count));
    for (const target of this.#targets.targets) {
      await mapRecord(target, record, this, { signal, onProgress: report });
      done += 1n;
    }
  }

  /** Notes that memory may be pinned; if that fails, the IOVAs are free again. @returns a function that takes it back */
  async #pin({ memory }: MapRequest, iova: bigint): Promise<() => void> {
    try {
      return this.#pins.add(memory) ?? (await this.#pins.addLater(memory));
    } catch (error) {
      this.#iovas.release(iova, memory.size);
      throw error;
    }
  }

  /** Throws the error that tells why a request gets no IOVA. */
  async #rejectIova({ iova, limit, memory: { size } }: MapRequest): Promise<never> {
    if (iova === undefined) throw noFreeIova(size, limit, this.ranges);
    const taken = this.#mappings.overlapping(iova, size);
    throw iovaRejected({ iova, size }, this.ranges, { taken, reserved: await this.#targets.reserved() });
  }

  async #requireFit(ranges: readonly IovaRange[], target: DmaTarget): Promise<void> {
    for (const { iova, size } of this.#mappings.records()) {
      if (!ranges.some(({ start, last }) => start <= iova && iova + size - 1n <= last)) {
        throw iovaRejected({ iova, size }, ranges, { reserved: await target.queryReserved() });
      }
    }
  }
}
