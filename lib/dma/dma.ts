import type { IovaRange } from '../backends/backend.js';
import { invalidArgument } from '../errors.js';
import { addon } from '../native/addon.js';
import { throwFirst } from '../unwinding.js';
import { DmaBuffer, DmaMapping, MemoryBank } from './holders.js';
import { allocateMemory, PAGE_SIZE, type MemoryOptions } from './memory.js';
import { DmaPool, strideOf, type DmaPoolShape } from './pool.js';
import { locate, locateAll, locatePieces, type DmaMemory, type Located } from './source.js';
import { AddressSpace, type SpaceRequest } from './space.js';
import type { MapProgress } from './targets.js';

/** What a device may do with mapped memory. */
export type DmaAccess = 'read' | 'write' | 'readwrite';

/** How memory is to be mapped. */
export interface DmaMapOptions extends MapProgress {
  /** Fixed IOVA, a multiple of the page size; chosen when left out. */
  readonly iova?: bigint;
  /** Of the chosen IOVA, bytes, a power of two. Default: 2 MiB from 2 MiB on, else the page size. */
  readonly alignment?: number;
  /** The last IOVA that may be chosen, for a device whose DMA does not reach further. */
  readonly limit?: bigint;
  /** Whether the whole range has to lie below 4 GiB. */
  readonly below4G?: boolean;
  /** As the device sees it. Default `readwrite`. */
  readonly access?: DmaAccess;
  /** Map in pieces of this many bytes, so that the map can be followed and aborted. Default: one piece, or 256 MiB. */
  readonly chunkSize?: number;
}

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

const MIB = 1024 * 1024;
const LAST_BELOW_4G = 0xffffffffn;
const LAST = (1n << 64n) - 1n;
const FOLLOWED_CHUNK = 256 * MIB;

/** A request with where the user's memory begins in it. */
type HolderRequest = SpaceRequest & { readonly offset: bigint };

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
      await buffer.map({ ...requestOf(memory.buffer, options, false), file });
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
    await mapping.map(requestOf(memory, options, options.surroundings ?? false));
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
  async addBank({ gpa, memory, writable = true, ...options }: MemoryBankOptions): Promise<MemoryBank> {
    const access = writable ? 'readwrite' : 'read';
    const bank = new MemoryBank(this.host, () => void this.#banks.delete(gpa));
    await bank.map(requestOf(memory, { ...options, iova: gpa, access }, false));
    this.#banks.set(gpa, bank);
    return bank;
  }

  /** Takes a bank away, by its guest address. @throws ERR_INVALID_ARGUMENT where none starts */
  async removeBank(gpa: bigint): Promise<void> {
    const bank = this.#banks.get(gpa);
    if (bank === undefined) throw invalidArgument(`no memory bank starts at 0x${gpa.toString(16)}`);
    await bank.remove();
  }

  /** Unmaps everything, whatever fails. @throws the first error, the further ones as its cause */
  async unmapAll(): Promise<void> {
    const errors: unknown[] = [];
    for (const record of [...this.host.records()]) {
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
   * @param pageSize bytes, of `dirtyPageSizes`
   * @returns a bit a page, the first in bit 0 of byte 0; joined over all devices, and clean again
   */
  takeDirtyPages(iova: bigint, size: bigint, pageSize = 4096n): Promise<Uint8Array> {
    return this.host.takeDirty({ iova, size, pageSize });
  }
}

function requestOf(memory: DmaMemory, options: DmaMapOptions, surroundings: boolean): HolderRequest {
  return placed(locate(memory, surroundings), held(memory), options);
}

/** What keeps the bytes: a SharedArrayBuffer itself; an ArrayBuffer can be emptied while it lives. */
function held(memory: DmaMemory): unknown {
  const buffer = ArrayBuffer.isView(memory) ? memory.buffer : memory;
  return buffer instanceof SharedArrayBuffer ? memory : [memory, addon.bufferHold(buffer)];
}

function placed({ vaddr, size, offset }: Located, memory: unknown, options: DmaMapOptions): HolderRequest {
  const { access = 'readwrite', iova, signal, onProgress } = options;
  const followed = signal !== undefined || onProgress !== undefined;
  const chunk = options.chunkSize ?? (followed ? FOLLOWED_CHUNK : undefined);
  if (chunk !== undefined && (chunk <= 0 || chunk % 4096 !== 0)) {
    throw invalidArgument(`a piece of ${chunk} bytes is not of whole pages`);
  }
  return {
    vaddr,
    size,
    offset,
    iova,
    alignment: BigInt(options.alignment ?? (size >= BigInt(2 * MIB) ? 2 * MIB : 4096)),
    limit: options.below4G === true ? LAST_BELOW_4G : (options.limit ?? LAST),
    read: access !== 'write',
    write: access !== 'read',
    chunk: chunk === undefined ? size : BigInt(chunk),
    memory,
    signal,
    onProgress,
  };
}
