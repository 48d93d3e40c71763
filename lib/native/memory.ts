import type { Fd, MappingHandle } from '../kernel/kernel.js';

/** An address space in the table of pins. Opaque. */
type PinSpace = object & { readonly pinSpace: never };

/** Memory that devices, threads and processes share. Source: native/memory. */
export interface MemoryAddon {
  /** sysconf(_SC_PAGESIZE): the size of an ordinary page, bytes. Use `PAGE_SIZE` of page-size.ts. */
  pageSize(): number;
  /** mmap(2) with MAP_SHARED. The caller keeps the descriptor. @param prot PROT_READ, PROT_WRITE or both */
  mappingCreate(fd: Fd, fileOffset: bigint, length: number, prot: number): MappingHandle;
  /** Returns a SharedArrayBuffer over the whole mapping. The memory stays mapped while any thread references it. */
  mappingView(mapping: MappingHandle): SharedArrayBuffer;
  /** Releases the file for good and puts 0xFF under every view. @throws EINVAL if the memory has no file */
  mappingRevoke(mapping: MappingHandle): void;
  /**
   * Maps the file again at the same address if a fault has revoked the mapping; otherwise does nothing. After a failure the
   * mapping stays revoked. @throws EBADF after `mappingRevoke` or for a closed descriptor; EINVAL
   */
  mappingRestore(mapping: MappingHandle, fd: Fd, fileOffset: bigint): Promise<void>;
  /**
   * Returns the state of a mapping: 64 bytes that all threads share. The first word of 32 bits is its epoch: even while it is
   * mapped, odd while it is revoked (its memory reads as 0xFF), all ones after the close. Each change adds one.
   */
  mappingState(mapping: MappingHandle): SharedArrayBuffer;
  /** Returns an eventfd that counts the revocations of the mappings that this thread made. The addon closes it. */
  revocationEventfd(): Fd;
  /** Closes the handle. The memory is unmapped with its last view. */
  mappingClose(mapping: MappingHandle): void;
  /** Closes the handle and puts 0xFF under the views that are left. */
  mappingEnd(mapping: MappingHandle): void;
  /** memfd_create(2): makes a memfd that cannot shrink. @param size bytes @param hugePageSize 0, 2 MiB or 1 GiB, in bytes */
  memfdCreate(name: string, size: bigint, hugePageSize: number): Fd;
  /**
   * Maps a file from its start, for reading and writing. The returned buffer is the only reference. The caller keeps the
   * descriptor.
   * @param fd the file; -1 for zeroed anonymous memory
   * @param size bytes, whole pages of the file
   * @param alignment the alignment of the address, bytes, a power of two; 0 for a page
   * @param guards whether an access to the page before or after the memory ends the process by SIGSEGV
   * @param node the NUMA node for its pages; -1 for the policy of the thread
   * @param populate whether to allocate all pages now, on the thread pool
   * @throws ENOMEM; from mbind ENOSYS without NUMA and EINVAL for an unknown node; EOPNOTSUPP for `populate` before Linux 5.14
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
   * Returns whole pages of shared memory to the kernel, on the thread pool. They then read as zeroes in every process that shares
   * them.
   * @param vouched whether the caller knows that mediated devices have pinned none of it
   * @returns a promise; or, if devices may have pinned it, how many ordinary and how many mediated devices
   * @throws EINVAL
   */
  memoryDiscard(
    memory: SharedArrayBuffer,
    offset: number,
    length: number,
    vouched: boolean,
  ): Promise<void> | [devices: number, mediated: number];
  /** Makes an address space in the process's table of pins. It ends with its last reference. Thread: any. */
  pinSpaceCreate(): PinSpace;
  /** Sets how many devices reach a space, and how many of them are mediated. */
  pinSpaceCount(space: PinSpace, devices: number, mediated: number): void;
  /** Tells whether memory that a space maps is being discarded. */
  pinSpaceIsDiscarding(space: PinSpace): boolean;
  /** Notes that a space maps memory. @returns an id for `pinRemove`; 0 while part of the memory is being discarded */
  pinAdd(space: PinSpace, vaddr: bigint, size: bigint): number;
  /** Notes that the memory of an id is no longer mapped. */
  pinRemove(id: number): void;
  /** Returns the address of a byte of a buffer, for VFIO_IOMMU_MAP_DMA. The caller must keep the buffer alive. */
  bufferAddress(buffer: ArrayBufferView<ArrayBufferLike> | ArrayBufferLike, byteOffset: number): bigint;
  /**
   * Keeps the bytes of a buffer in place while the returned object lives, even if the buffer is transferred or its WebAssembly
   * memory grows. @throws ERR_INVALID_ARGUMENT
   */
  bufferHold(buffer: ArrayBufferLike): object;
  /** Tells whether an ArrayBuffer can be transferred. That of a WebAssembly memory cannot. */
  bufferIsDetachable(buffer: ArrayBuffer): boolean;
  /**
   * Finds the first piece that does not begin at a multiple of `unit` or does not lie in the memory. All sizes are bytes.
   * @returns the index of the piece; -1 if all are right
   */
  piecesFindWrong(offsets: Float64Array, memorySize: number, pieceSize: number, unit: number): number;
  /**
   * Tells whether all of a range of this process can be pinned for reading (and writing). It brings the pages in, on
   * this thread: the time grows with the range. False for an empty range.
   */
  memoryProbe(vaddr: bigint, size: bigint, write: boolean): boolean;
}
