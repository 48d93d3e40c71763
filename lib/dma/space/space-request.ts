import type { MemoryFile } from '../../backends/backend.js';
import { invalidArgument } from '../../base/errors.js';
import type { MappingRecord, MemoryPieces, MemoryRun } from './mapping-table.js';
import { PAGE_SIZE } from '../../native/page-size.js';
import type { MapProgress } from './target-set.js';

/** A mapping to be made. */
export interface SpaceRequest extends MapProgress {
  readonly vaddr: bigint;
  readonly size: bigint;
  /** Fixed; chosen by the allocator when undefined. */
  readonly iova: bigint | undefined;
  /** Asked for; undefined for any. */
  readonly alignment: bigint | undefined;
  /** Where none is asked for, tried first: the IOMMU may then use larger pages. */
  readonly preferredAlignment: bigint;
  /** The last IOVA that may be chosen. */
  readonly limit: bigint;
  readonly read: boolean;
  readonly write: boolean;
  /** Bytes of one kernel mapping at most. */
  readonly chunk: bigint;
  readonly memory: unknown;
  /** The memory's pieces, where it has several; their sizes make up `size`, and `vaddr` is the first's. */
  readonly runs?: readonly MemoryRun[] | undefined;
  /** The pieces of the memory at `vaddr` that are wanted; their sizes make up `size`. */
  readonly pieces?: MemoryPieces | undefined;
  readonly file?: MemoryFile | undefined;
}

/** One literal, for there may be very many of them. */
export function recordOf(request: SpaceRequest, iova: bigint, release: () => void): MappingRecord {
  return {
    vaddr: request.vaddr,
    iova,
    size: request.size,
    read: request.read,
    write: request.write,
    chunk: request.chunk,
    memory: request.memory,
    file: request.file,
    runs: request.runs,
    pieces: request.pieces,
    targets: new Set(),
    unmapping: undefined,
    ended: false,
    release,
  };
}

/**
 * Refuses what the IOMMU cannot map for its shape.
 * @param pageSize the smallest that every target can map, bytes
 * @throws ERR_INVALID_ARGUMENT
 */
export function checkPages({ vaddr, size, iova, alignment, runs, pieces }: SpaceRequest, pageSize: bigint): void {
  if (alignment !== undefined && (alignment < pageSize || (alignment & (alignment - 1n)) !== 0n)) {
    throw invalidArgument(`an alignment is a power of two from ${pageSize} on, not ${alignment}`);
  }
  const one = vaddr | size | (iova ?? 0n);
  let all = runs === undefined ? one : runs.reduce((bits, run) => bits | run.vaddr | run.size, one);
  // They are of whole pages of the kernel's.
  if (pieces !== undefined && pageSize > PAGE_SIZE) all |= bitsOf(pieces);
  // Wrapped to 64 bits, so that it is compiled to machine words.
  if (BigInt.asUintN(64, all & (pageSize - 1n)) === 0n) return;
  throw invalidArgument(`iova, memory and size have to be multiples of the IOMMU's page, ${pageSize} bytes`);
}

function bitsOf({ offsets, pieceSize }: MemoryPieces): bigint {
  return offsets.reduce<bigint>((bits, offset) => bits | BigInt(offset), pieceSize);
}
