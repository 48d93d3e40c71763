import { isPowerOfTwo, requireBoolean, requireOneOf, requireWhole, shown } from '../../base/arguments.js';
import { VfioError, invalidArgument, withContext } from '../../base/errors.js';
import type { Fd } from '../../kernel/kernel.js';
import { addon } from '../../native/addon.js';
import { PAGE_SIZE } from '../../native/page-size.js';

/** The sizes of huge pages. */
const LARGE = 2 * 1024 * 1024;
const HUGE = 1024 * 1024 * 1024;
const NO_FILE = -1;
const ANY_NODE = -1;
/** More than any kernel has. */
const MOST_NODES = 0x7fffffff;
/** What memfd_create, mmap and madvise answer where the machine has no such huge pages, or none is free. */
const NO_HUGE_PAGES: ReadonlySet<string> = new Set([
  'ENOMEM',
  'ENOSPC',
  'EINVAL',
  'ENOENT',
  'ENODEV',
  'EOPNOTSUPP',
  'EFAULT',
]);

/** The kinds of memory that a buffer can be of. */
export type MemoryKind = 'anonymous' | 'memfd' | 'hugepages';

const KINDS: readonly MemoryKind[] = ['anonymous', 'memfd', 'hugepages'];

/** What memory is wanted, beside its size. */
export interface MemoryOptions {
  /** Default `anonymous`. A `memfd` can be handed to other processes by its descriptor; `hugepages` is one of huge pages. */
  readonly kind?: MemoryKind | undefined;
  /** With `hugepages`: 2 MiB (default) or 1 GiB, in bytes. */
  readonly hugePageSize?: number | undefined;
  /**
   * With `hugepages`: `memfd` (default) takes smaller pages where there are none so large or too few: 2 MiB for 1 GiB, then
   * ordinary ones; `pageSize` of the buffer tells which they are. `error` takes no others.
   */
  readonly fallback?: 'memfd' | 'error' | undefined;
  /** Of its address, bytes, a power of two. Default: the size of its pages, 2 MiB at least from 2 MiB on. */
  readonly memoryAlignment?: number | undefined;
  /** The NUMA node that its pages are taken from, and from no other. Default: as the thread's policy says. */
  readonly node?: number | undefined;
  /** Whether its pages are taken now, off the event loop, and not when they are touched. Default false. */
  readonly prefault?: boolean | undefined;
  /** Whether a page before it and one after it end who touches them by SIGSEGV. Default false. */
  readonly guardPages?: boolean | undefined;
}

/** What memory is wanted. */
export interface MemoryRequest extends MemoryOptions {
  /** Bytes; rounded up to whole pages. */
  readonly size: number;
}

/** Memory that devices, threads and (with a descriptor) processes share. */
export interface SharedMemory {
  readonly buffer: SharedArrayBuffer;
  /** The size of the pages behind it, bytes. */
  readonly pageSize: number;
  /** The memfd; undefined for anonymous memory. */
  readonly fd: Fd | undefined;
}

/**
 * Allocates zeroed memory. It lives as long as any thread holds the buffer.
 * @throws ENOMEM; EINVAL for a node that is not there; ERR_NOT_SUPPORTED for a node on a kernel without NUMA
 */
export async function allocateMemory(request: MemoryRequest): Promise<SharedMemory> {
  const { size, kind = 'anonymous' } = request;
  requireOneOf('kind', kind, KINDS);
  if (!Number.isSafeInteger(size) || size <= 0) throw invalidArgument(`a buffer cannot have ${shown(size)} bytes`);
  checkPlacement(request);
  if (kind === 'anonymous') {
    return { buffer: await place(NO_FILE, size, PAGE_SIZE, request), pageSize: PAGE_SIZE, fd: undefined };
  }
  if (kind === 'memfd') return memfd(PAGE_SIZE, request);
  const { hugePageSize = LARGE, fallback = 'memfd' } = request;
  if (hugePageSize !== LARGE && hugePageSize !== HUGE) {
    throw invalidArgument(`huge pages have 2 MiB or 1 GiB, not ${hugePageSize} bytes`);
  }
  requireOneOf('fallback', fallback, ['memfd', 'error']);
  if (fallback === 'error') return memfd(hugePageSize, request);
  for (const pageSize of [HUGE, LARGE].filter((one) => one <= hugePageSize)) {
    try {
      return await memfd(pageSize, request);
    } catch (error) {
      if (!lacksHugePages(error)) throw error;
    }
  }
  return memfd(PAGE_SIZE, request);
}

/** Rounds up to whole pages. */
export function roundUp(size: number, pageSize: number): number {
  return Math.ceil(size / pageSize) * pageSize;
}

function checkPlacement({ memoryAlignment = PAGE_SIZE, node = 0, prefault, guardPages }: MemoryRequest): void {
  if (!Number.isSafeInteger(memoryAlignment) || memoryAlignment < PAGE_SIZE || !isPowerOfTwo(memoryAlignment)) {
    throw invalidArgument(
      `an alignment of memory is a power of two from ${PAGE_SIZE} on, not ${shown(memoryAlignment)}`,
    );
  }
  requireWhole('node', node, 0, MOST_NODES);
  requireBoolean('prefault', prefault);
  requireBoolean('guardPages', guardPages);
}

/** The call tells which of the reasons for an errno it is. */
function lacksHugePages(error: unknown): boolean {
  return error instanceof VfioError && error.syscall !== 'mbind' && NO_HUGE_PAGES.has(error.code);
}

async function memfd(pageSize: number, request: MemoryRequest): Promise<SharedMemory> {
  const bytes = roundUp(request.size, pageSize);
  const fd = addon.memfdCreate('vfio-engine', BigInt(bytes), pageSize === PAGE_SIZE ? 0 : pageSize);
  try {
    return { buffer: await place(fd, bytes, pageSize, request), pageSize, fd };
  } catch (error) {
    addon.closeFdSync(fd);
    throw error;
  }
}

async function place(
  fd: Fd,
  size: number,
  pageSize: number,
  { memoryAlignment, node = ANY_NODE, prefault = false, guardPages = false }: MemoryRequest,
): Promise<SharedArrayBuffer> {
  const bytes = roundUp(size, pageSize);
  const natural = bytes >= LARGE ? LARGE : PAGE_SIZE;
  const alignment = Math.max(pageSize, memoryAlignment ?? natural);
  // The kernel reserves huge pages for the file wherever they are; that the node has none, only taking them shows.
  const populate = prefault || (node !== ANY_NODE && pageSize !== PAGE_SIZE);
  try {
    return await addon.memoryPlace(fd, bytes, alignment, guardPages, node, populate);
  } catch (error) {
    throw explainPlacement(error, node, pageSize);
  }
}

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
  if (error.code === 'EOPNOTSUPP') return withContext(error, { hint: 'prefault needs Linux 5.14' });
  return error;
}
