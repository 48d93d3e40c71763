import { argumentError, isPowerOfTwo, requireBoolean, requireOneOf, requireInteger } from '../../base/arguments.js';
import { VfioError, withContext } from '../../base/errors.js';
import type { Fd } from '../../kernel/kernel.js';
import { addon } from '../../native/addon.js';
import { PAGE_SIZE } from '../../native/page-size.js';

const HUGE_PAGE_2M = 2 * 1024 * 1024;
const HUGE_PAGE_1G = 1024 * 1024 * 1024;
const NO_FILE = -1;
const ANY_NODE = -1;
/** The addon takes the number as an int; no kernel has that many nodes. */
const LARGEST_NODE = 0x7fffffff;
/** The errno of memfd_create, mmap and madvise if the machine has no such huge pages, or none is free. */
const NO_HUGE_PAGES: ReadonlySet<string> = new Set([
  'ENOMEM',
  'ENOSPC',
  'EINVAL',
  'ENOENT',
  'ENODEV',
  'EOPNOTSUPP',
  'EFAULT',
]);

/** The kinds of memory that can be allocated. */
export type MemoryKind = 'anonymous' | 'memfd' | 'hugepages';

const KINDS: readonly MemoryKind[] = ['anonymous', 'memfd', 'hugepages'];

/** What memory to allocate, beside its size. */
export interface MemoryOptions {
  /** Default `anonymous`. Other processes can map a `memfd` by its descriptor; `hugepages` is a memfd of huge pages. */
  readonly kind?: MemoryKind | undefined;
  /** The size of the pages of `hugepages`, bytes: 2 MiB (default) or 1 GiB. */
  readonly hugePageSize?: number | undefined;
  /**
   * What to do if there are not enough free huge pages. `memfd` (default): take smaller ones, 2 MiB instead of 1 GiB, then
   * ordinary ones; `pageSize` of the buffer tells their size. `error`: fail.
   */
  readonly fallback?: 'memfd' | 'error' | undefined;
  /** The alignment of the address, bytes, a power of two. Default: the page size, or 2 MiB for memory from 2 MiB on. */
  readonly memoryAlignment?: number | undefined;
  /** The NUMA node from which all pages are taken. Default: the memory policy of the thread decides. */
  readonly node?: number | undefined;
  /** Whether to take all pages now, off the event loop, instead of at the first access. Default false. */
  readonly prefault?: boolean | undefined;
  /** Whether to put a page before and a page after the memory that end the process by SIGSEGV if touched. Default false. */
  readonly guardPages?: boolean | undefined;
}

/** What memory to allocate. */
export interface MemoryRequest extends MemoryOptions {
  /** Bytes; rounded up to whole pages. */
  readonly size: number;
}

/** Memory that devices, threads and (by a descriptor) processes share. */
export interface SharedMemory {
  readonly buffer: SharedArrayBuffer;
  /** The size of the pages that hold the memory, bytes. */
  readonly pageSize: number;
  /** The memfd, which the caller closes; undefined for anonymous memory. */
  readonly fd: Fd | undefined;
}

/**
 * Allocates zeroed memory. It lives as long as any thread references the buffer.
 * @throws ERR_INVALID_ARGUMENT; ENOMEM; EINVAL if the machine has no such node; ERR_NOT_SUPPORTED for `node` on a kernel
 *   without NUMA
 */
export async function allocateMemory(request: MemoryRequest): Promise<SharedMemory> {
  const { size, kind = 'anonymous' } = request;
  requireOneOf('kind', kind, KINDS);
  if (!Number.isSafeInteger(size) || size <= 0) {
    throw argumentError('size', 'a number of bytes above 0', size);
  }
  checkPlacement(request);
  if (kind === 'anonymous') {
    return { buffer: await placeMemory(NO_FILE, size, PAGE_SIZE, request), pageSize: PAGE_SIZE, fd: undefined };
  }
  if (kind === 'memfd') return allocateMemfd(PAGE_SIZE, request);
  return allocateHugePages(request);
}

/** Allocates huge pages, or smaller ones if the machine has too few and the request allows it. */
async function allocateHugePages(request: MemoryRequest): Promise<SharedMemory> {
  const { hugePageSize = HUGE_PAGE_2M, fallback = 'memfd' } = request;
  if (hugePageSize !== HUGE_PAGE_2M && hugePageSize !== HUGE_PAGE_1G) {
    throw argumentError('hugePageSize', `${HUGE_PAGE_2M} (2 MiB) or ${HUGE_PAGE_1G} (1 GiB)`, hugePageSize);
  }
  requireOneOf('fallback', fallback, ['memfd', 'error']);
  if (fallback === 'error') return allocateMemfd(hugePageSize, request);
  for (const pageSize of [HUGE_PAGE_1G, HUGE_PAGE_2M].filter((one) => one <= hugePageSize)) {
    try {
      return await allocateMemfd(pageSize, request);
    } catch (error) {
      if (!lacksHugePages(error)) throw error;
    }
  }
  return allocateMemfd(PAGE_SIZE, request);
}

function checkPlacement({ memoryAlignment = PAGE_SIZE, node = 0, prefault, guardPages }: MemoryRequest): void {
  if (!Number.isSafeInteger(memoryAlignment) || memoryAlignment < PAGE_SIZE || !isPowerOfTwo(memoryAlignment)) {
    throw argumentError('memoryAlignment', `a power of two, ${PAGE_SIZE} at least`, memoryAlignment);
  }
  requireInteger('node', node, 0, LARGEST_NODE);
  requireBoolean('prefault', prefault);
  requireBoolean('guardPages', guardPages);
}

/** Tells whether an allocation failed because of huge pages. The same errno of mbind(2) has another reason. */
function lacksHugePages(error: unknown): boolean {
  return error instanceof VfioError && error.syscall !== 'mbind' && NO_HUGE_PAGES.has(error.code);
}

async function allocateMemfd(pageSize: number, request: MemoryRequest): Promise<SharedMemory> {
  const bytes = roundUp(request.size, pageSize);
  const fd = addon.memfdCreate('vfio-engine', BigInt(bytes), pageSize === PAGE_SIZE ? 0 : pageSize);
  try {
    return { buffer: await placeMemory(fd, bytes, pageSize, request), pageSize, fd };
  } catch (error) {
    addon.closeFdSync(fd);
    throw error;
  }
}

/** Maps a file, or anonymous memory, into this process as the request says. */
async function placeMemory(
  fd: Fd,
  size: number,
  pageSize: number,
  { memoryAlignment, node = ANY_NODE, prefault = false, guardPages = false }: MemoryRequest,
): Promise<SharedArrayBuffer> {
  const bytes = roundUp(size, pageSize);
  const natural = bytes >= HUGE_PAGE_2M ? HUGE_PAGE_2M : PAGE_SIZE;
  const alignment = Math.max(pageSize, memoryAlignment ?? natural);
  // The kernel reserves huge pages on any node. Only taking them shows that the wanted node has none.
  const populate = prefault || (node !== ANY_NODE && pageSize !== PAGE_SIZE);
  try {
    return await addon.memoryPlace(fd, bytes, alignment, guardPages, node, populate);
  } catch (error) {
    throw explainPlacement(error, node, pageSize);
  }
}

/** Adds a hint to the error of an allocation. */
function explainPlacement(error: unknown, node: number, pageSize: number): unknown {
  if (!(error instanceof VfioError)) return error;
  if (error.code === 'ENOSYS' && error.syscall === 'mbind') {
    const hint = 'leave `node` out: the machine has one memory';
    return new VfioError('the kernel has no NUMA', { code: 'ERR_NOT_SUPPORTED', hint, cause: error });
  }
  if (error.syscall === 'mbind') {
    return withContext(error, { hint: `the machine has no memory on node ${node}, or the process may not use it` });
  }
  if (pageSize !== PAGE_SIZE && NO_HUGE_PAGES.has(error.code)) {
    const hint = `too few huge pages are free: see /sys/kernel/mm/hugepages/hugepages-${pageSize / 1024}kB/nr_hugepages`;
    return withContext(error, { hint });
  }
  if (error.code === 'EOPNOTSUPP') return withContext(error, { hint: '`prefault` needs Linux 5.14' });
  return error;
}

function roundUp(size: number, pageSize: number): number {
  return Math.ceil(size / pageSize) * pageSize;
}
