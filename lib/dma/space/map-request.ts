import type { DmaRights } from '../../backends/dma-target.js';
import {
  argumentError,
  requireBoolean,
  requireFunction,
  requireOneOf,
  requireOptions,
  requireSignal,
  requireUint64,
  requireInteger,
} from '../../base/arguments.js';
import { invalidArgument } from '../../base/errors.js';
import { PAGE_SIZE, PAGE_SIZE_BIGINT } from '../../native/page-size.js';
import type { IovaChoice } from '../iova/iova-allocator.js';
import type { LocatedMemory, MemoryPieces } from '../memory/located-memory.js';

/** What a device may do with mapped memory. */
export type DmaAccess = 'read' | 'write' | 'readwrite';

/** How to follow a map and how to stop it. */
export interface MapProgress {
  /** Stops the map between two chunks. What was mapped until then is unmapped. */
  readonly signal?: AbortSignal | undefined;
  /** Called after each chunk with the number of bytes that are mapped; with several IOMMU objects, with their mean. */
  readonly onProgress?: ((mapped: bigint) => void) | undefined;
}

/** How to map memory. */
export interface DmaMapOptions extends MapProgress {
  /** A fixed IOVA, a multiple of the page size. Default: one is chosen. */
  readonly iova?: bigint;
  /**
   * The alignment of the chosen IOVA, bytes, a power of two, at least the page size. Default: the size of the largest page
   * that the IOMMU may use for the memory (2 MiB from 2 MiB on, 1 GiB for huge pages of 1 GiB); a page if no such IOVA is free.
   */
  readonly alignment?: number;
  /** The last IOVA that may be chosen, for a device that cannot address more. Default: 2^64 - 1. */
  readonly limit?: bigint;
  /** Whether all of the chosen range must be below 4 GiB. Default false. */
  readonly below4G?: boolean;
  /** What the device may do. Default `readwrite`. */
  readonly access?: DmaAccess;
  /**
   * The most bytes that one call of the kernel maps, a multiple of the page size; a map can be followed and stopped
   * between two calls. Default: all of the memory; 256 MiB if `signal` or `onProgress` is given.
   */
  readonly chunkSize?: number;
}

/** A request to map memory: the checked options, and where the memory lies. */
export interface MapRequest extends MapProgress, DmaRights, IovaChoice {
  readonly memory: LocatedMemory;
  /** The most bytes that one call of the kernel maps. */
  readonly chunkSize: bigint;
}

const MIB = 1024 * 1024;
/** The size of the IOMMU's second smallest page on x86 and arm64. */
const LARGE_PAGE = 2 * MIB;
const LARGE_PAGE_BIGINT = BigInt(LARGE_PAGE);
const LAST_BELOW_4G = 0xffffffffn;
const LAST_IOVA = (1n << 64n) - 1n;
/** The default of `chunkSize` for a map that is followed: some tens of milliseconds. */
const FOLLOWED_CHUNK = 256 * MIB;
const ACCESSES: readonly DmaAccess[] = ['read', 'write', 'readwrite'];

/**
 * Checks the options and makes the request to map located memory.
 * @throws ERR_INVALID_ARGUMENT if an option is wrong
 */
export function mapRequest(memory: LocatedMemory, options: DmaMapOptions): MapRequest {
  requireOptions(options);
  const { access = 'readwrite', iova, limit = LAST_IOVA, alignment, below4G = false, signal, onProgress } = options;
  if (access !== 'readwrite') requireOneOf('access', access, ACCESSES);
  if (iova !== undefined) requireUint64('iova', iova);
  requireUint64('limit', limit);
  requireBoolean('below4G', below4G);
  if (alignment !== undefined) requireInteger('alignment', alignment, PAGE_SIZE);
  requireSignal(signal);
  if (onProgress !== undefined) requireFunction('onProgress', onProgress);
  const chunkSize = chunkSizeOf(options);
  return {
    memory,
    iova,
    alignment: alignment === undefined ? undefined : BigInt(alignment),
    preferredAlignment: BigInt(Math.max(memory.pageSize, memory.size >= LARGE_PAGE_BIGINT ? LARGE_PAGE : PAGE_SIZE)),
    limit: below4G && limit > LAST_BELOW_4G ? LAST_BELOW_4G : limit,
    read: access !== 'write',
    write: access !== 'read',
    chunkSize: chunkSize === undefined ? memory.size : BigInt(chunkSize),
    signal,
    onProgress,
  };
}

/** Gives the checked size of a chunk; undefined: all of the memory. */
function chunkSizeOf({ chunkSize, signal, onProgress }: DmaMapOptions): number | undefined {
  if (chunkSize === undefined) return signal === undefined && onProgress === undefined ? undefined : FOLLOWED_CHUNK;
  if (Number.isSafeInteger(chunkSize) && chunkSize > 0 && chunkSize % PAGE_SIZE === 0) return chunkSize;
  throw argumentError('chunkSize', `a multiple of the page size, ${PAGE_SIZE}, above 0`, chunkSize);
}

/**
 * Checks that the IOMMU can map the request in its own pages.
 * @param pageSize the smallest page that every IOMMU object of the space can map, bytes
 * @throws ERR_INVALID_ARGUMENT if the alignment, the IOVA, an address or a size is not a multiple of it
 */
export function checkPages({ memory, iova, alignment }: MapRequest, pageSize: bigint): void {
  if (alignment !== undefined && (alignment < pageSize || (alignment & (alignment - 1n)) !== 0n)) {
    throw argumentError('alignment', `a power of two, ${pageSize} at least`, Number(alignment));
  }
  const { vaddr, size, runs, pieces } = memory;
  const one = vaddr | size | (iova ?? 0n);
  let all = runs === undefined ? one : runs.reduce((bits, run) => bits | run.vaddr | run.size, one);
  // The pieces are whole pages of the kernel's size already.
  if (pieces !== undefined && pageSize > PAGE_SIZE_BIGINT) all |= bitsOf(pieces);
  // Wrapped to 64 bits, so that V8 compiles it to machine words.
  if (BigInt.asUintN(64, all & (pageSize - 1n)) === 0n) return;
  throw invalidArgument(
    `\`iova\`, the memory and its size must be multiples of the IOMMU's page size, ${pageSize} bytes`,
  );
}

function bitsOf({ offsets, pieceSize }: MemoryPieces): bigint {
  return offsets.reduce<bigint>((bits, offset) => bits | BigInt(offset), pieceSize);
}
