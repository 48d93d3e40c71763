import type { IovaRange } from '../base/iova-range.js';
import { requireBoolean, requireOptions, requireUint64, requireWhole } from '../base/arguments.js';
import { invalidArgument } from '../base/errors.js';
import { throwFirst } from '../base/unwinding.js';
import { DmaBuffer, DmaMapping, MemoryBank } from './buffers.js';
import { allocateMemory, type MemoryOptions } from './memory/shared-memory.js';
import { PAGE_SIZE, PAGE_SIZE_BIGINT } from '../native/page-size.js';
import { DmaPool, strideOf, type DmaPoolShape } from './pool.js';
import { held, placed, requestOf, type DmaMapOptions } from './request.js';
import { locate, locateAll, locatePieces, type DmaMemory } from './memory/locate.js';
import { AddressSpace } from './space/address-space.js';
import type { MapProgress } from './space/target-set.js';

export type { DmaAccess, DmaMapOptions } from './request.js';

/** How a buffer is to be made. */
export interface DmaAllocateOptions extends DmaMapOptions, MemoryOptions {}

/** A pool of buffers. */
export interface DmaPoolOptions extends DmaAllocateOptions, DmaPoolShape {}

/** A memory bank of a guest. */
export interface MemoryBankOptions extends MapProgress {
  /** Guest physical address, which is the IOVA; a multiple of the page size. */
  readonly gpa: bigint;
  readonly memory: DmaMemory;
  /** Whether devices may write it. Default true. */
  readonly writable?: boolean;
  readonly chunkSize?: number;
}

/**
 * An address space for DMA: what is mapped in it, every device attached to it reaches, those attached later too.
 * Thread: the one that made it; the memory is usable on all.
 */
export class DmaSpace {
  /** @internal What backends join their IOMMU objects to. */
  readonly host = new AddressSpace();
  readonly #banks = new Map<bigint, MemoryBank>();

  /** What can be mapped, ascending, inclusive; it narrows as devices are attached. */
  get ranges(): readonly IovaRange[] {
    return this.host.ranges;
  }

  /** How many mappings there are. */
  get mappingCount(): number {
    return this.host.mappingCount;
  }

  /** The page sizes in which devices' writes can be tracked, one bit each, as bytes; 0 where they cannot. */
  get dirtyPageSizes(): bigint {
    return this.host.targets.dirtyPageSizes;
  }

  /**
   * Allocates zeroed memory and maps it.
   * @param size bytes, rounded up to whole pages
   * @throws ENOMEM, ENOSPC, EINVAL, EEXIST, ERR_ABORTED
   */
  async allocate(size: number, options: DmaAllocateOptions = {}): Promise<DmaBuffer> {
    const memory = await allocateMemory({ ...options, size });
    const buffer = new DmaBuffer(this.host, memory);
    try {
      const file = memory.fd === undefined ? undefined : { fd: memory.fd, offset: 0n };
      await buffer.map({ ...requestOf(memory.buffer, options, memory), file });
      return buffer;
    } catch (error) {
      buffer.closeFd();
      throw error;
    }
  }

  /**
   * Makes buffers of one size, in memory that is allocated and mapped once.
   * @throws what `allocate` throws
   */
  async createPool(options: DmaPoolOptions): Promise<DmaPool> {
    const size = strideOf(options) * options.count;
    const { bufferAlignment = 0, memoryAlignment = 0, alignment = 0 } = options;
    requireWhole('alignment', alignment, 0);
    requireWhole('memoryAlignment', memoryAlignment, 0);
    // A page is what memory and IOVA are aligned to anyway.
    const aligned = Math.max(bufferAlignment, PAGE_SIZE);
    const wider = { memoryAlignment: Math.max(memoryAlignment, aligned), alignment: Math.max(alignment, aligned) };
    return new DmaPool(
      await this.allocate(size, bufferAlignment > PAGE_SIZE ? { ...options, ...wider } : options),
      options,
    );
  }

  /**
   * Maps memory that is there, where it lies: a SharedArrayBuffer, the memory of a WebAssembly module, or a view. The
   * bytes are held until they are unmapped, though an ArrayBuffer is transferred or its WebAssembly memory grows; such a
   * buffer is empty then, and the device goes on with the bytes that it had.
   * @param options `surroundings` maps whole the pages that the memory only shares, for the device to see
   * @throws ERR_INVALID_ARGUMENT for memory that is not of whole pages; EINVAL, EEXIST, ENOSPC, ENOMEM, EFAULT
   */
  async map(memory: DmaMemory, options: DmaMapOptions & { readonly surroundings?: boolean } = {}): Promise<DmaMapping> {
    const mapping = new DmaMapping(this.host);
    await mapping.map(requestOf(memory, options, options));
    return mapping;
  }

  /**
   * Maps several memories as one, one after the other in the IOVAs: all or none, and unmapped together. Those that lie one
   * behind the other in the process too become one mapping of the kernel's, so that its limit is met late. The offset
   * that `iovaOf` takes runs over all of them.
   * @throws as `map`
   */
  async mapList(memories: readonly DmaMemory[], options: DmaMapOptions = {}): Promise<DmaMapping> {
    const runs = locateAll(memories);
    const size = runs.reduce((sum, run) => sum + run.size, 0n);
    const vaddr = runs[0]?.vaddr ?? 0n;
    const mapping = new DmaMapping(this.host);
    await mapping.map({ ...placed({ vaddr, size, offset: 0n }, memories.map(held), options), runs });
    return mapping;
  }

  /**
   * Maps equal pieces of one memory as one, one after the other in the IOVAs: a device then sees scattered pages as a
   * whole. All or none, by one call however many they are, and unmapped together.
   * @param offsets where the pieces begin in the memory, bytes, of whole pages; in the order that the device sees
   * @param pieceSize bytes, of whole pages
   * @throws ERR_INVALID_ARGUMENT for a piece that is not of whole pages or not in the memory; as `map`
   */
  async mapPieces(
    memory: DmaMemory,
    offsets: ArrayLike<number>,
    pieceSize: number,
    options: Omit<DmaMapOptions, 'chunkSize'> = {},
  ): Promise<DmaMapping> {
    const whole = locate(memory, false);
    const pieces = locatePieces(whole, offsets, pieceSize);
    const located = { ...whole, size: pieces.pieceSize * BigInt(pieces.offsets.length) };
    const mapping = new DmaMapping(this.host);
    await mapping.map({ ...placed(located, held(memory), options), pieces });
    return mapping;
  }

  /**
   * Maps a bank of guest memory at its guest address.
   * @throws EEXIST when it overlaps a mapping, EINVAL outside of what can be mapped
   */
  async addBank(bankOptions: MemoryBankOptions): Promise<MemoryBank> {
    requireOptions(bankOptions);
    const { gpa, memory, writable = true, ...options } = bankOptions;
    requireUint64('gpa', gpa);
    requireBoolean('writable', writable);
    const access = writable ? 'readwrite' : 'read';
    const bank = new MemoryBank(this.host, () => void this.#banks.delete(gpa));
    await bank.map(requestOf(memory, { ...options, iova: gpa, access }));
    this.#banks.set(gpa, bank);
    return bank;
  }

  /** Takes a bank away, by its guest address. @throws ERR_INVALID_ARGUMENT where none starts */
  async removeBank(gpa: bigint): Promise<void> {
    requireUint64('gpa', gpa);
    const bank = this.#banks.get(gpa);
    if (bank === undefined) throw invalidArgument(`no memory bank starts at 0x${gpa.toString(16)}`);
    await bank.remove();
  }

  /**
   * Unmaps everything that is mapped or being mapped, whatever fails.
   * @throws the first error, the further ones as its cause
   */
  async unmapAll(): Promise<void> {
    const errors: unknown[] = [];
    for (const record of await this.host.settled()) {
      try {
        await this.host.unmap(record);
      } catch (error) {
        errors.push(error);
      }
    }
    throwFirst(errors);
  }

  /** Asks how many more mappings fit, by the fullest IOMMU; undefined where none tells. */
  async queryEntriesLeft(): Promise<number | undefined> {
    const limits = await Promise.all([...this.host.targets.targets].map((target) => target.queryLimits()));
    const left = limits.flatMap(({ entriesLeft }) => (entriesLeft === undefined ? [] : [entriesLeft]));
    return left.length === 0 ? undefined : Math.min(...left);
  }

  /** Starts recording the pages that devices write. @throws ERR_NOT_SUPPORTED; `dirtyPageSizes` can be asked first */
  startDirtyTracking(): Promise<void> {
    return this.host.setDirtyTracking(true);
  }

  /** Stops recording. */
  stopDirtyTracking(): Promise<void> {
    return this.host.setDirtyTracking(false);
  }

  /**
   * Takes the record of the pages of a range that devices wrote.
   * @param pageSize bytes, of `dirtyPageSizes`; default the machine's page size
   * @returns a bit a page, the first in bit 0 of byte 0; joined over all devices, and clean again
   */
  takeDirtyPages(iova: bigint, size: bigint, pageSize = PAGE_SIZE_BIGINT): Promise<Uint8Array> {
    return this.host.takeDirty({ iova, size, pageSize });
  }
}
