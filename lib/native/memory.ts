import type { Fd, MappingHandle } from '../kernel/kernel.js';

/** Source: native/memory. Memory that devices, threads and processes share. */
export interface MemoryAddon {
  /** mmap(2) with MAP_SHARED; `prot` is PROT_READ (1), PROT_WRITE (2) or both. The descriptor stays the caller's. */
  mappingCreate(fd: Fd, fileOffset: bigint, length: number, prot: number): Promise<MappingHandle>;
  /** Gives a SharedArrayBuffer over the whole mapping; it keeps the memory mapped while any thread holds it. */
  mappingView(mapping: MappingHandle): SharedArrayBuffer;
  /** Lets the file go and leaves memory of 0xFF under every view. */
  mappingRevoke(mapping: MappingHandle): void;
  /** Drops the handle; the memory is unmapped with its last view. */
  mappingClose(mapping: MappingHandle): void;
  /** memfd_create(2), sealed against shrinking, of `size` bytes; `hugePageSize` 0, 2 MiB or 1 GiB in bytes. */
  memfdCreate(name: string, size: bigint, hugePageSize: number): Fd;
  /** Allocates page-aligned zeroed anonymous shared memory. `size` in bytes, a multiple of the page size. */
  memoryAllocate(size: number): SharedArrayBuffer;
  /** Gives the address of a byte of a buffer, for VFIO_IOMMU_MAP_DMA. The caller keeps the buffer alive. */
  bufferAddress(buffer: ArrayBufferView<ArrayBufferLike> | ArrayBufferLike, byteOffset: number): bigint;
  /** Copies from this process's memory without ever faulting. @throws EFAULT */
  memoryRead(vaddr: bigint, target: Uint8Array): void;
  /** Tells whether all of a range of this process could be pinned for reading (and writing). */
  memoryProbe(vaddr: bigint, size: bigint, write: boolean): boolean;
}
