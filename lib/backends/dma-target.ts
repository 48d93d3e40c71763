import type { DirtyRange, IovaRange, ReservedRange } from '../base/iova-range.js';
import type { DmaPieces, Fd } from '../kernel/kernel.js';
import type { LockedMemory } from '../kernel/locked-memory.js';

/**
 * The part of a DMA space that a backend sees: it adds the IOMMU objects that its devices use. The space maps its memory
 * into every one of them.
 */
export interface DmaTargetRegistry {
  /**
   * Adds an IOMMU object. When the promise resolves, all memory of the space is mapped in it.
   * @throws the errors of `DmaTarget.map`; nothing stays mapped then
   */
  addTarget(target: DmaTarget): Promise<void>;
  /** Removes an IOMMU object without unmapping: the kernel is about to drop its mappings. */
  removeTarget(target: DmaTarget): Promise<void>;
  /** Reads the limits of an IOMMU object again, because a group or a device has joined or left it. */
  refreshTarget(target: DmaTarget): Promise<void>;
}

/** What an IOMMU object can map. */
export interface DmaLimits {
  /** The IOVAs that can be mapped, ascending; undefined if the kernel does not report them. */
  readonly ranges: readonly IovaRange[] | undefined;
  /** The ranges that the groups reserve, by /sys; they are subtracted from `ranges`. */
  readonly reserved: readonly ReservedRange[];
  /** A bitmap of the page sizes: bit N stands for 2^N bytes. */
  readonly pageSizes: bigint;
  /** The number of mappings that still fit; undefined if the kernel does not report it. */
  readonly entriesLeft: number | undefined;
  /** The number of mappings that fit when the object is empty; undefined if the kernel does not report it. */
  readonly entryLimit: number | undefined;
  /** The page sizes for dirty tracking, as `pageSizes`; 0n if the object cannot track. */
  readonly dirtyPageSizes: bigint;
}

/** One IOMMU object of the kernel: the type1 IOMMU of a container, or an IOAS of an iommufd. */
export interface DmaTarget {
  /** Asks the kernel for the limits as they are now. */
  queryLimits(): Promise<DmaLimits>;
  /** Reads the reserved ranges of the groups of its devices, to explain a map that failed. */
  queryReserved(): Promise<readonly ReservedRange[]>;
  /** Reads how much memory this process has locked and may lock, to explain ENOMEM. */
  queryLocked(): Promise<LockedMemory>;
  /**
   * Maps one chunk by one call of the kernel.
   * @throws EEXIST, EINVAL, ENOSPC, ENOMEM, EFAULT
   */
  map(chunk: DmaChunk): Promise<void>;
  /**
   * Maps equal pieces in their order, until the kernel rejects one. Absent if the kernel has no faster way than `map`.
   * @returns the number of pieces that are mapped now
   */
  mapPieces?(pieces: DmaPieces, rights: DmaRights): Promise<number>;
  /**
   * Unmaps all mappings that lie within a range.
   * @returns bytes unmapped
   */
  unmap(range: { readonly iova: bigint; readonly size: bigint }): Promise<bigint>;
  /**
   * Unmaps a range and reads which pages were written until then.
   * @returns the bitmap, as `takeDirty` returns it
   */
  unmapDirty(range: DirtyRange): Promise<Uint8Array>;
  /** Starts or stops the recording of written pages. */
  setDirtyTracking(enabled: boolean): Promise<void>;
  /**
   * Reads the pages of a range that were written since the last call, and clears the record.
   * @returns a bit per page; the first page is bit 0 of byte 0
   */
  takeDirty(range: DirtyRange): Promise<Uint8Array>;
}

/** What devices may do with mapped memory. */
export interface DmaRights {
  readonly read: boolean;
  readonly write: boolean;
}

/** A memfd that holds the memory; its descriptor must stay open while the memory is mapped. */
export interface MemoryFile {
  readonly fd: Fd;
  /** Where the memory begins in the file, bytes. */
  readonly offset: bigint;
}

/** The memory that one call of the kernel maps. Addresses and size are multiples of the page size. */
export interface DmaChunk extends DmaRights {
  /** The address of the memory in this process. */
  readonly vaddr: bigint;
  readonly iova: bigint;
  /** Bytes. */
  readonly size: bigint;
  /** The file that holds the memory; a backend that can maps the file instead of the address. */
  readonly file: MemoryFile | undefined;
}
