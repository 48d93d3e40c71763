import { VfioError, invalidArgument } from '../errors.js';
import type { Fd } from '../kernel/kernel.js';
import { addon } from '../native/addon.js';

export const PAGE_SIZE = 4096;
const PROT_READ_WRITE = 3;
const MIB = 1024 * 1024;
/** What memfd_create and mmap answer where the machine has no such huge pages, or none is free. */
const NO_HUGE_PAGES: ReadonlySet<string> = new Set(['ENOMEM', 'ENOSPC', 'EINVAL', 'ENOENT', 'ENODEV', 'EOPNOTSUPP']);

/** The kinds of memory that a buffer can be of. */
export type MemoryKind = 'anonymous' | 'memfd' | 'hugepages';

/** What memory is wanted. */
export interface MemoryRequest {
  /** Bytes; rounded up to whole pages. */
  readonly size: number;
  readonly kind: MemoryKind;
  /** With `hugepages`: the size of a page. Default 2 MiB. */
  readonly hugePageSize?: number | undefined;
  /** With `hugepages`: what to do where there are none. Default `memfd`: ordinary pages, as `pageSize` then tells. */
  readonly fallback?: 'memfd' | 'error' | undefined;
}

/** Memory that devices, threads and (with a descriptor) processes share. */
export interface SharedMemory {
  readonly buffer: SharedArrayBuffer;
  /** The size of the pages behind it, bytes. */
  readonly pageSize: number;
  /** The memfd; undefined for anonymous memory. */
  readonly fd: Fd | undefined;
}

/** Allocates zeroed memory. The memory lives as long as any thread holds the buffer. @throws ENOMEM */
export async function allocateMemory(request: MemoryRequest): Promise<SharedMemory> {
  const { size, kind } = request;
  if (!Number.isSafeInteger(size) || size <= 0) throw invalidArgument(`a buffer cannot have ${size} bytes`);
  if (kind === 'anonymous') {
    return { buffer: addon.memoryAllocate(roundUp(size, PAGE_SIZE)), pageSize: PAGE_SIZE, fd: undefined };
  }
  if (kind === 'memfd') return memfd(size, PAGE_SIZE);
  const pageSize = request.hugePageSize ?? 2 * MIB;
  if (pageSize !== 2 * MIB && pageSize !== 1024 * MIB) {
    throw invalidArgument(`huge pages have 2 MiB or 1 GiB, not ${pageSize} bytes`);
  }
  try {
    return await memfd(size, pageSize);
  } catch (error) {
    const none = error instanceof VfioError && NO_HUGE_PAGES.has(error.code);
    if (!none || request.fallback === 'error') throw error;
    return memfd(size, PAGE_SIZE);
  }
}

/** Rounds up to whole pages. */
export function roundUp(size: number, pageSize: number): number {
  return Math.ceil(size / pageSize) * pageSize;
}

async function memfd(size: number, pageSize: number): Promise<SharedMemory> {
  const bytes = roundUp(size, pageSize);
  const fd = addon.memfdCreate('vfio-engine', BigInt(bytes), pageSize === PAGE_SIZE ? 0 : pageSize);
  try {
    const mapping = await addon.mappingCreate(fd, 0n, bytes, PROT_READ_WRITE);
    try {
      return { buffer: addon.mappingView(mapping), pageSize, fd };
    } finally {
      // The view holds the memory.
      addon.mappingClose(mapping);
    }
  } catch (error) {
    addon.closeFdSync(fd);
    throw error;
  }
}
