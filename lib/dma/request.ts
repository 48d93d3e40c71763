import {
  requireBoolean,
  requireFunction,
  requireOneOf,
  requireOptions,
  requireSignal,
  requireUint64,
  requireWhole,
  shown,
} from '../base/arguments.js';
import { invalidArgument } from '../base/errors.js';
import { addon } from '../native/addon.js';
import { PAGE_SIZE } from '../native/page-size.js';
import { locate, type DmaMemory, type Located } from './memory/locate.js';
import type { SpaceRequest } from './space/space-request.js';
import type { MapProgress } from './space/target-set.js';

/** What a device may do with mapped memory. */
export type DmaAccess = 'read' | 'write' | 'readwrite';

/** How memory is to be mapped. */
export interface DmaMapOptions extends MapProgress {
  /** Fixed IOVA, a multiple of the page size; chosen when left out. */
  readonly iova?: bigint;
  /**
   * Of the chosen IOVA, bytes, a power of two. Default: that of the largest page that the IOMMU may use for it (2 MiB from
   * 2 MiB on, 1 GiB for huge pages of that size) where there is such room, else a page.
   */
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

/** A request with where the user's memory begins in it. */
export type HolderRequest = SpaceRequest & { readonly offset: bigint };

const MIB = 1024 * 1024;
const LARGE = BigInt(2 * MIB);
const LAST_BELOW_4G = 0xffffffffn;
const LAST = (1n << 64n) - 1n;
const FOLLOWED_CHUNK = 256 * MIB;
const ACCESSES: readonly DmaAccess[] = ['read', 'write', 'readwrite'];

/** What is known of memory beside where it lies. */
interface MemoryNature {
  /** Whether the pages that it only shares may be mapped whole. Default false. */
  readonly surroundings?: boolean;
  /** The size of the pages behind it, bytes. Default: an ordinary page. */
  readonly pageSize?: number;
}

/** Makes the request to map one memory. @throws ERR_INVALID_ARGUMENT */
export function requestOf(memory: DmaMemory, options: DmaMapOptions, nature: MemoryNature = {}): HolderRequest {
  requireOptions(options);
  const { surroundings = false, pageSize } = nature;
  requireBoolean('surroundings', surroundings);
  return placed(locate(memory, surroundings), held(memory), options, pageSize);
}

/** What keeps the bytes: a SharedArrayBuffer itself; an ArrayBuffer can be emptied while it lives. */
export function held(memory: DmaMemory): unknown {
  const buffer = ArrayBuffer.isView(memory) ? memory.buffer : memory;
  return buffer instanceof SharedArrayBuffer ? memory : [memory, addon.bufferHold(buffer)];
}

/** Makes the request to map what was located. @throws ERR_INVALID_ARGUMENT */
export function placed(
  { vaddr, size, offset }: Located,
  memory: unknown,
  options: DmaMapOptions,
  pageSize = PAGE_SIZE,
): HolderRequest {
  requireOptions(options);
  const {
    access = 'readwrite',
    iova,
    limit = LAST,
    alignment,
    chunkSize,
    below4G = false,
    signal,
    onProgress,
  } = options;
  if (access !== 'readwrite') requireOneOf('access', access, ACCESSES);
  if (iova !== undefined) requireUint64('iova', iova);
  requireUint64('limit', limit);
  requireBoolean('below4G', below4G);
  if (alignment !== undefined) requireWhole('alignment', alignment, PAGE_SIZE);
  requireFollowing(options);
  const followed = signal !== undefined || onProgress !== undefined;
  const chunk = chunkSize ?? (followed ? FOLLOWED_CHUNK : undefined);
  if (chunk !== undefined && (!Number.isSafeInteger(chunk) || chunk <= 0 || chunk % PAGE_SIZE !== 0)) {
    throw invalidArgument(`chunkSize is ${shown(chunk)}`, 'a piece has bytes of whole pages');
  }
  return {
    vaddr,
    size,
    offset,
    iova,
    alignment: alignment === undefined ? undefined : BigInt(alignment),
    preferredAlignment: BigInt(Math.max(pageSize, size >= LARGE ? 2 * MIB : PAGE_SIZE)),
    limit: below4G && limit > LAST_BELOW_4G ? LAST_BELOW_4G : limit,
    read: access !== 'write',
    write: access !== 'read',
    chunk: chunk === undefined ? size : BigInt(chunk),
    memory,
    signal,
    onProgress,
  };
}

function requireFollowing({ signal, onProgress }: MapProgress): void {
  requireSignal(signal);
  if (onProgress !== undefined) requireFunction('onProgress', onProgress);
}
