import { requireBoolean, requireOptions, requireUint64, requireInteger } from '../base/arguments.js';
import { invalidArgument } from '../base/errors.js';
import type { IovaRange } from '../base/iova-range.js';
import { throwFirst } from '../base/unwinding.js';
import { PAGE_SIZE, PAGE_SIZE_BIGINT } from '../native/page-size.js';
import { DmaBuffer } from './dma-buffer.js';
import { DmaMapping } from './dma-mapping.js';
import { DmaPool, poolStride, type DmaPoolShape } from './dma-pool.js';
import { MemoryBank } from './memory-bank.js';
import { locateList, locateMemory, locatePieces, type DmaMemory } from './memory/located-memory.js';
import { allocateMemory, type MemoryOptions } from './memory/shared-memory.js';
import { mapRequest, type DmaMapOptions, type MapProgress, type MapRequest } from './space/map-request.js';
import { SpaceMappings } from './space/space-mappings.js';

/** How to allocate and map memory. */
export interface DmaAllocateOptions extends DmaMapOptions, MemoryOptions {}

/** How to make a pool of buffers. */
export interface DmaPoolOptions extends DmaAllocateOptions, DmaPoolShape {}

/** A memory bank of a guest. */
export interface MemoryBankOptions extends MapProgress {
  /** The guest physical address, which is the IOVA; a multiple of the page size. */
  readonly gpa: bigint;
  /** The guest's memory. */
  readonly memory: DmaMemory;
  /** Whether devices may write it. Default true. */
  readonly writable?: boolean;
  /** As `chunkSize` of `DmaMapOptions`. */
  readonly chunkSize?: number;
}

/**
 * An address space for DMA. Every device that is attached to it reaches all memory that is mapped in it, whether the memory
 * was mapped before or after the attach. Thread: the one that made it; the memory is usable on all threads.
 */
export class DmaSpace {
  /** @internal The mappings; backends add their IOMMU objects to them. */
  readonly mappings = new SpaceMappings();
  readonly #banks = new Map<bigint, MemoryBank>();

  /** The IOVAs that can be mapped, ascending. Attaching a device can make them fewer. */
  get ranges(): readonly IovaRange[] {
    return this.mappings.ranges;
  }

  /** The number of mappings. */
  get mappingCount(): number {
    return this.mappings.mappingCount;
  }

  /** The page sizes for dirty tracking, a bitmap: bit N stands for 2^N bytes; 0n if a device's IOMMU cannot track. */
  get dirtyPageSizes(): bigint {
    return this.mappings.targets.dirtyPageSizes;
  }

  /**
   * Allocates zeroed memory and maps it.
   * @param size bytes, rounded up to whole pages
   * @throws ERR_INVALID_ARGUMENT, ERR_NOT_SUPPORTED, ERR_ABORTED, ENOMEM, ENOSPC, EINVAL, EEXIST
   */
  async allocate(size: number, options: DmaAllocateOptions = {}): Promise<DmaBuffer> {
    const memory = await allocateMemory({ ...options, size });
    const buffer = new DmaBuffer(this.mappings, memory);
    try {
      const file = memory.fd === undefined ? undefined : { fd: memory.fd, offset: 0n };
      const located = { ...locateMemory(memory.buffer), pageSize: memory.pageSize, file };
      return await this.#map(mapRequest(located, options), buffer);
    } catch (error) {
      buffer.closeFd();
      throw error;
    }
  }

  /**
   * Makes buffers of one size in memory that is allocated and mapped once.
   * @throws the errors of `allocate`
   */
  async createPool(options: DmaPoolOptions): Promise<DmaPool> {
    const size = poolStride(options) * options.count;
    const { bufferAlignment = 0, memoryAlignment = 0, alignment = 0 } = options;
    requireInteger('alignment', alignment, 0);
    requireInteger('memoryAlignment', memoryAlignment, 0);
    // Memory and IOVA are aligned to a page in any case.
    if (bufferAlignment <= PAGE_SIZE) return DmaPool.create(await this.allocate(size, options), options);
    const aligned = {
      ...options,
      memoryAlignment: Math.max(memoryAlignment, bufferAlignment),
      alignment: Math.max(alignment, bufferAlignment),
    };
    return DmaPool.create(await this.allocate(size, aligned), options);
  }

  /**
   * Maps memory of the user where it lies: a SharedArrayBuffer, the memory of a WebAssembly module, or a view of it. Until it
   * is unmapped, the bytes stay where they are, even if an ArrayBuffer is transferred or its WebAssembly memory grows. Such
   * a buffer is then empty in JavaScript, and the device still uses the old bytes.
   * @param options `surroundings`: whether to map all of the first and the last page, so that devices reach the bytes around
   *   the memory, too. Default: memory that is not whole pages is rejected
   * @throws ERR_INVALID_ARGUMENT, ERR_ABORTED, EINVAL, EEXIST, ENOSPC, ENOMEM, EFAULT
   */
  async map(memory: DmaMemory, options: DmaMapOptions & { readonly surroundings?: boolean } = {}): Promise<DmaMapping> {
    requireOptions(options);
    const request = mapRequest(locateMemory(memory, options.surroundings), options);
    return await this.#map(request, new DmaMapping(this.mappings));
  }

  /**
   * Maps several memories as one, one after the other in the IOVAs: all or none, and unmapped together. Memories that follow
   * each other without a gap in this process use one mapping of the kernel, whose number is limited. The offset that
   * `iovaOf` takes runs over all of them.
   * @throws the errors of `map`
   */
  async mapList(memories: readonly DmaMemory[], options: DmaMapOptions = {}): Promise<DmaMapping> {
    return await this.#map(mapRequest(locateList(memories), options), new DmaMapping(this.mappings));
  }

  /**
   * Maps equal pieces of one memory as one, one after the other in the IOVAs, so that a device sees scattered pages without a
   * gap: all or none, by one call of the kernel if it can, and unmapped together.
   * @param offsets where the pieces begin in the memory, bytes, multiples of the page size; in the order that the device sees
   * @param pieceSize bytes, a multiple of the page size
   * @throws ERR_INVALID_ARGUMENT if a piece is not whole pages or not inside the memory; the errors of `map`
   */
  async mapPieces(
    memory: DmaMemory,
    offsets: ArrayLike<number>,
    pieceSize: number,
    options: Omit<DmaMapOptions, 'chunkSize'> = {},
  ): Promise<DmaMapping> {
    const request = mapRequest(locatePieces(memory, offsets, pieceSize), options);
    return await this.#map(request, new DmaMapping(this.mappings));
  }

  /**
   * Maps a bank of guest memory at its guest address.
   * @throws EEXIST if it overlaps a mapping; EINVAL if it cannot be mapped there; the errors of `map`
   */
  async addBank(bankOptions: MemoryBankOptions): Promise<MemoryBank> {
    requireOptions(bankOptions);
    const { gpa, memory, writable = true, ...options } = bankOptions;
    requireUint64('gpa', gpa);
    requireBoolean('writable', writable);
    const access = writable ? 'readwrite' : 'read';
    const bank = new MemoryBank(this.mappings, () => void this.#banks.delete(gpa));
    await this.#map(mapRequest(locateMemory(memory), { ...options, iova: gpa, access }), bank);
    this.#banks.set(gpa, bank);
    return bank;
  }

  /** Removes the bank at a guest address. @throws ERR_INVALID_ARGUMENT if no bank starts there */
  async removeBank(gpa: bigint): Promise<void> {
    requireUint64('gpa', gpa);
    const bank = this.#banks.get(gpa);
    if (bank === undefined) {
      throw invalidArgument(`\`gpa\` must be the address of a memory bank. Received 0x${gpa.toString(16)}`);
    }
    await bank.remove();
  }

  /**
   * Unmaps everything, also what is being mapped when it is called. If an unmap fails, the others are made all the same.
   * @throws the first error; the further ones are its cause
   */
  async unmapAll(): Promise<void> {
    const errors: unknown[] = [];
    for (const record of await this.mappings.settled()) {
      try {
        await this.mappings.unmap(record);
      } catch (error) {
        errors.push(error);
      }
    }
    throwFirst(errors);
  }

  /** Asks how many more mappings fit into the fullest IOMMU. @returns undefined if no kernel reports it */
  async queryEntriesLeft(): Promise<number | undefined> {
    const limits = await Promise.all([...this.mappings.targets.targets].map((target) => target.queryLimits()));
    const left = limits.flatMap(({ entriesLeft }) => (entriesLeft === undefined ? [] : [entriesLeft]));
    return left.length === 0 ? undefined : Math.min(...left);
  }

  /** Starts recording the pages that devices write. @throws ERR_NOT_SUPPORTED if `dirtyPageSizes` is 0n */
  startDirtyTracking(): Promise<void> {
    return this.mappings.setDirtyTracking(true);
  }

  /** Stops recording the pages that devices write. */
  stopDirtyTracking(): Promise<void> {
    return this.mappings.setDirtyTracking(false);
  }

  /**
   * Returns the pages of a range that devices wrote since the last call, and clears their record.
   * @param size bytes. @param pageSize bytes, one of `dirtyPageSizes`. Default: the machine's page size
   * @returns a bit per page, the first in bit 0 of byte 0; joined over all devices
   * @throws ERR_INVALID_ARGUMENT if dirty tracking is off
   */
  takeDirtyPages(iova: bigint, size: bigint, pageSize = PAGE_SIZE_BIGINT): Promise<Uint8Array> {
    return this.mappings.takeDirty({ iova, size, pageSize });
  }

  /** Maps what a request asks for. @returns the mapping, which has the record now */
  async #map<Mapping extends DmaMapping>(request: MapRequest, mapping: Mapping): Promise<Mapping> {
    mapping.begin(await this.mappings.map(request, () => mapping.onUnmapped()));
    return mapping;
  }
}
