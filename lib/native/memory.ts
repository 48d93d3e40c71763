import type { Fd, MappingHandle } from '../kernel/kernel.js';

/** An address space in the table of pins: opaque. */
type PinSpace = object & { readonly pinSpace: never };

/** Source: native/memory. Memory that devices, threads and processes share. */
export interface MemoryAddon {
  /** The size of the machine's ordinary pages, bytes: sysconf(_SC_PAGESIZE). Callers use `PAGE_SIZE` of page-size.ts. */
  pageSize(): number;
  /** mmap(2) with MAP_SHARED; `prot` is PROT_READ (1), PROT_WRITE (2) or both. The descriptor stays the caller's. */
  mappingCreate(fd: Fd, fileOffset: bigint, length: number, prot: number): MappingHandle;
  /** Gives a SharedArrayBuffer over the whole mapping; it keeps the memory mapped while any thread holds it. */
  mappingView(mapping: MappingHandle): SharedArrayBuffer;
  /** Lets the file go for good and leaves memory of 0xFF under every view. @throws EINVAL for memory that is not a file's */
  mappingRevoke(mapping: MappingHandle): void;
  /**
   * Maps the file again, at the same address, where a fault has revoked the mapping; else does nothing. When it fails, the
   * mapping stays revoked. @throws EBADF (after `mappingRevoke`, or a closed descriptor), EINVAL
   */
  mappingRestore(mapping: MappingHandle, fd: Fd, fileOffset: bigint): Promise<void>;
  /**
   * Gives the state of a mapping, 64 bytes that every thread shares. The first 32-bit word is its epoch: even while it is mapped,
   * odd while it is revoked (its memory reads as 0xFF), all ones once it is closed; each change adds one.
   */
  mappingState(mapping: MappingHandle): SharedArrayBuffer;
  /** Gives this thread's eventfd, in which each revocation of a mapping that this thread made counts. It stays the addon's. */
  revocationEventfd(): Fd;
  /** Drops the handle; the memory is unmapped with its last view. */
  mappingClose(mapping: MappingHandle): void;
  /** Closes it, and turns the views that are left to 0xFF. */
  mappingEnd(mapping: MappingHandle): void;
  /** memfd_create(2), sealed against shrinking, of `size` bytes; `hugePageSize` 0, 2 MiB or 1 GiB in bytes. */
  memfdCreate(name: string, size: bigint, hugePageSize: number): Fd;
  /**
   * Maps a file from its start on (zeroed anonymous memory where `fd` is -1), for reading and writing, and gives the only
   * hold on it. The descriptor stays the caller's.
   * @param size bytes, of whole pages of the file. @param alignment of the address, bytes, a power of two; 0: a page
   * @param guards whether touching the page before it, or after it, ends the process by SIGSEGV
   * @param node the NUMA node that its pages are taken from; -1: as the thread's policy says
   * @param populate whether all pages are taken now, on a thread of the pool
   * @throws ENOMEM; of mbind ENOSYS without NUMA, EINVAL for no such node; EOPNOTSUPP for `populate` before Linux 5.14
   */
  memoryPlace(
    fd: Fd,
    size: number,
    alignment: number,
    guards: boolean,
    node: number,
    populate: boolean,
  ): SharedArrayBuffer | Promise<SharedArrayBuffer>;
  /**
   * Gives whole pages of shared memory back to the kernel, off the event loop; they then read as zeroes, for every process
   * that shares them. @throws EINVAL
   * @param vouched whether the mediated devices have pinned none of it
   * @returns a promise; or, where devices have it pinned, how many of those that pin all, and how many mediated ones
   */
  memoryDiscard(
    memory: SharedArrayBuffer,
    offset: number,
    length: number,
    vouched: boolean,
  ): Promise<void> | [devices: number, mediated: number];
  /** Makes an address space of the process's table of pins; it goes with the last one who has it. Thread: any. */
  pinSpaceCreate(): PinSpace;
  /** Says how many devices reach a space, and how many of them are mediated. */
  pinSpaceCount(space: PinSpace, devices: number, mediated: number): void;
  /** Tells whether something that a space maps is being given back. */
  pinSpaceIsGivingBack(space: PinSpace): boolean;
  /** Says that a space maps memory. @returns an id for `pinRemove`; 0 while some of it is being given back */
  pinAdd(space: PinSpace, vaddr: bigint, size: bigint): number;
  pinRemove(id: number): void;
  /** Gives the address of a byte of a buffer, for VFIO_IOMMU_MAP_DMA. The caller keeps the buffer alive. */
  bufferAddress(buffer: ArrayBufferView<ArrayBufferLike> | ArrayBufferLike, byteOffset: number): bigint;
  /**
   * Takes a hold on a buffer's bytes: they stay where they are until it is collected, though the buffer is transferred or the
   * WebAssembly memory that it belongs to grows. @throws ERR_INVALID_ARGUMENT
   */
  bufferHold(buffer: ArrayBufferLike): object;
  /** Whether an ArrayBuffer can be transferred: that of a WebAssembly memory cannot. */
  bufferIsDetachable(buffer: ArrayBuffer): boolean;
  /**
   * Finds the first piece that does not begin at a multiple of `unit`, or does not lie in the memory. All sizes in bytes.
   * @returns its index; -1 where there is none
   */
  piecesFindWrong(offsets: Float64Array, memorySize: number, pieceSize: number, unit: number): number;
  /**
   * Tells whether all of a range of this process can be pinned for reading (and writing). It brings the pages in, on
   * this thread: the time grows with the range. False for an empty range.
   */
  memoryProbe(vaddr: bigint, size: bigint, write: boolean): boolean;
}
