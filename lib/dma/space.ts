import type { DmaLimits, DmaSpaceHost, DmaTarget, IovaRange, MemoryFile } from '../backends/backend.js';
import { noTracking, UntoldPages, type DirtyRange } from '../dirty-pages.js';
import { invalidArgument } from '../errors.js';
import { Gate } from '../mutex.js';
import { throwFirst, Unwinding } from '../unwinding.js';
import { noFit, refusedRange } from './explain.js';
import { IovaAllocator } from './iova-allocator.js';
import { MappingTable, type MappingRecord, type MemoryPieces, type MemoryRun } from './mapping-table.js';
import { PAGE_SIZE } from './memory.js';
import { SpacePins } from './pins.js';
import { aborted, mapInto, TargetSet, unmapFrom, type MapProgress } from './targets.js';

/** A mapping to be made. */
export interface SpaceRequest extends MapProgress {
  readonly vaddr: bigint;
  readonly size: bigint;
  /** Fixed; chosen by the allocator when undefined. */
  readonly iova: bigint | undefined;
  /** Asked for; undefined for any. */
  readonly alignment: bigint | undefined;
  /** Where none is asked for, tried first: the IOMMU may then use larger pages. */
  readonly preferredAlignment: bigint;
  /** The last IOVA that may be chosen. */
  readonly limit: bigint;
  readonly read: boolean;
  readonly write: boolean;
  /** Bytes of one kernel mapping at most. */
  readonly chunk: bigint;
  readonly memory: unknown;
  /** The memory's pieces, where it has several; their sizes make up `size`, and `vaddr` is the first's. */
  readonly runs?: readonly MemoryRun[] | undefined;
  /** The pieces of the memory at `vaddr` that are wanted; their sizes make up `size`. */
  readonly pieces?: MemoryPieces | undefined;
  readonly file?: MemoryFile | undefined;
}

/**
 * The mappings of an address space, the same in every IOMMU object that has joined it; one that joins later gets them
 * all first. Thread: the one that made it.
 */
export class AddressSpace implements DmaSpaceHost {
  readonly #targets = new TargetSet();
  readonly #mappings = new MappingTable();
  /** Undefined from when a target comes or goes until they are asked for: devices come and go without. */
  #ranges: readonly IovaRange[] | undefined;
  /** The ranges that it was made of may not be the last ones any more. */
  #allocator: { readonly iovas: IovaAllocator; ranges: readonly IovaRange[] } | undefined;
  /** Maps and unmaps run side by side; targets come and go alone. */
  readonly #gate = new Gate();
  #tracking = false;
  readonly #untold = new UntoldPages();
  readonly #pins = new SpacePins();

  /** What can be mapped, ascending. */
  get ranges(): readonly IovaRange[] {
    return (this.#ranges ??= this.#targets.ranges());
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
      this.#checkPages(request);
      const iova = this.#takeIova(request) ?? (await this.#refuse(request));
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
    if (!this.#tracking) throw invalidArgument('dirty tracking is off', 'start it first');
    const range = { iova: record.iova, size: record.size, pageSize };
    let bitmap: Uint8Array = new Uint8Array();
    const unmapping = this.#gate.shared(async () => {
      bitmap = await this.#untold.read(range, unmapsOf(record, range));
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
    return this.#gate.exclusive(async () => {
      if (enabled === this.#tracking) return;
      if (enabled && this.#targets.dirtyPageSizes === 0n) throw noTracking();
      const undo = new Unwinding();
      try {
        for (const target of this.#targets.targets) {
          await target.setDirtyTracking(enabled);
          undo.push(() => target.setDirtyTracking(!enabled));
        }
        this.#tracking = enabled;
        this.#untold.forgetAll();
      } catch (error) {
        throw await undo.failed(error);
      }
    });
  }

  /** Takes the record of written pages of a range, joined over the targets; what one that fails takes is kept. */
  takeDirty(range: DirtyRange): Promise<Uint8Array> {
    return this.#gate.shared(() => {
      if (!this.#tracking) throw invalidArgument('dirty tracking is off', 'start it first');
      const targets = [...this.#targets.targets];
      return this.#untold.read(
        range,
        targets.map((target) => () => target.takeDirty(range)),
      );
    });
  }

  addTarget(target: DmaTarget): Promise<void> {
    return this.#gate.exclusive(async () => {
      const limits = await target.queryLimits();
      const undo = new Unwinding();
      try {
        if (this.#mappings.size > 0) await this.#replay(target, this.#targets.ranges(limits), undo);
        if (this.#tracking) await target.setDirtyTracking(true);
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

  /** The allocator starts anew with other ranges, which takes time in proportion to what is mapped. */
  #iovas(): IovaAllocator {
    const { ranges } = this;
    const current = this.#allocator;
    if (current !== undefined && (current.ranges === ranges || sameRanges(current.ranges, ranges))) {
      current.ranges = ranges;
      return current.iovas;
    }
    const iovas = new IovaAllocator(PAGE_SIZE, ranges, this.#mappings.ranges());
    this.#allocator = { iovas, ranges };
    return iovas;
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
    this.#untold.forget(record.iova, record.size);
    this.#allocator?.iovas.release(record.iova, record.size);
    record.release();
  }

  /** @returns undefined where the range is not to be had */
  #takeIova({ iova, size, alignment, preferredAlignment, limit }: SpaceRequest): bigint | undefined {
    const iovas = this.#iovas();
    if (iova !== undefined) return iovas.reserve(iova, size) ? iova : undefined;
    const first = iovas.allocate({ size, alignment: alignment ?? preferredAlignment, limit });
    const { pageSize } = this.#targets;
    if (first !== undefined || alignment !== undefined || preferredAlignment <= pageSize) return first;
    return iovas.allocate({ size, alignment: pageSize, limit });
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
      this.#allocator?.iovas.release(iova, request.size);
      throw error;
    }
  }

  /** Says why a range is not to be had. */
  async #refuse({ iova, size, limit }: SpaceRequest): Promise<never> {
    if (iova === undefined) throw noFit(size, limit, this.ranges);
    const taken = this.#mappings.overlapping(iova, size);
    throw refusedRange({ iova, size }, this.ranges, { taken, reserved: await this.#targets.reserved() });
  }

  #checkPages({ vaddr, size, iova, alignment, runs, pieces }: SpaceRequest): void {
    const { pageSize } = this.#targets;
    if (alignment !== undefined && (alignment < pageSize || (alignment & (alignment - 1n)) !== 0n)) {
      throw invalidArgument(`an alignment is a power of two from ${pageSize} on, not ${alignment}`);
    }
    const one = vaddr | size | (iova ?? 0n);
    let all = runs === undefined ? one : runs.reduce((bits, run) => bits | run.vaddr | run.size, one);
    // They are of whole pages of the kernel's.
    if (pieces !== undefined && pageSize > PAGE_SIZE) all |= bitsOf(pieces);
    // Wrapped to 64 bits, so that it is compiled to machine words.
    if (BigInt.asUintN(64, all & (pageSize - 1n)) === 0n) return;
    throw invalidArgument(`iova, memory and size have to be multiples of the IOMMU's page, ${pageSize} bytes`);
  }

  async #checkFits(ranges: readonly IovaRange[], target: DmaTarget): Promise<void> {
    for (const { iova, size } of this.#mappings.records()) {
      if (!ranges.some(({ start, last }) => start <= iova && iova + size - 1n <= last)) {
        throw refusedRange({ iova, size }, ranges, { reserved: await target.queryReserved() });
      }
    }
  }
}

/** One literal, for there may be very many of them. */
function recordOf(request: SpaceRequest, iova: bigint, release: () => void): MappingRecord {
  return {
    vaddr: request.vaddr,
    iova,
    size: request.size,
    read: request.read,
    write: request.write,
    chunk: request.chunk,
    memory: request.memory,
    file: request.file,
    runs: request.runs,
    pieces: request.pieces,
    targets: new Set(),
    unmapping: undefined,
    ended: false,
    release,
  };
}

/** What unmaps a record from each of its targets and tells the pages written there. */
function unmapsOf(record: MappingRecord, range: DirtyRange): (() => Promise<Uint8Array>)[] {
  return [...record.targets].map((target) => async () => {
    const bitmap = await target.unmapDirty(range);
    record.targets.delete(target);
    return bitmap;
  });
}

function bitsOf({ offsets, pieceSize }: MemoryPieces): bigint {
  return offsets.reduce<bigint>((bits, offset) => bits | BigInt(offset), pieceSize);
}

function sameRanges(one: readonly IovaRange[], other: readonly IovaRange[]): boolean {
  if (one.length !== other.length) return false;
  return one.every(({ start, last }, index) => start === other[index]?.start && last === other[index]?.last);
}
