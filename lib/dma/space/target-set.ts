import type { IovaRange, ReservedRange } from '../../base/iova-range.js';
import type { DmaLimits, DmaTarget, MapRequest } from '../../backends/backend.js';
import { VfioError } from '../../base/errors.js';
import { Unwinding, withFurther } from '../../base/unwinding.js';
import { PAGE_SIZE_BIGINT } from '../../native/page-size.js';
import { explainMap } from './explain.js';
import { intersect, subtract } from '../iova/iova-allocator.js';
import { chunksOf, piecesFrom, type MappingRecord } from './mapping-table.js';

/** What can be mapped before a device tells: the width of a common IOMMU, less the x86 interrupt window. */
const DEFAULT_RANGES: readonly IovaRange[] = [
  { start: 0n, last: 0xfedfffffn },
  { start: 0xfef00000n, last: 0xffffffffffffn },
];
const ALL: readonly IovaRange[] = [{ start: 0n, last: (1n << 64n) - 1n }];

/** How a map goes on while it runs. */
export interface MapProgress {
  readonly signal?: AbortSignal | undefined;
  /** Told after each piece how many bytes are mapped; with several IOMMU objects, of their mean. */
  readonly onProgress?: ((mapped: bigint) => void) | undefined;
}

/** What a failed map is explained by: what can be mapped in a space, and what is. */
export interface SpaceView {
  readonly ranges: readonly IovaRange[];
  records(): Iterable<MappingRecord>;
}

/** The IOMMU objects of a space and what all of them can map. */
export class TargetSet {
  readonly #limits = new Map<DmaTarget, DmaLimits>();
  #pageSize = PAGE_SIZE_BIGINT;

  get targets(): Iterable<DmaTarget> {
    return this.#limits.keys();
  }

  get size(): number {
    return this.#limits.size;
  }

  set(target: DmaTarget, limits: DmaLimits): void {
    this.#limits.set(target, limits);
    this.#pageSize = largestOf(this.#limits.values());
  }

  delete(target: DmaTarget): void {
    this.#limits.delete(target);
    this.#pageSize = largestOf(this.#limits.values());
  }

  /** What every target can map; with one more as if it were there. */
  ranges(further?: DmaLimits): readonly IovaRange[] {
    const limits = [...this.#limits.values(), ...(further === undefined ? [] : [further])];
    if (limits.length === 0) return DEFAULT_RANGES;
    return limits.reduce((common, { ranges, reserved }) => intersect(common, subtract(ranges ?? ALL, reserved)), ALL);
  }

  /** What is kept from being mapped in any target. */
  async reserved(): Promise<readonly ReservedRange[]> {
    return (await Promise.all([...this.targets].map((target) => target.queryReserved()))).flat();
  }

  /** The smallest page that every target can map, bytes. */
  get pageSize(): bigint {
    return this.#pageSize;
  }

  /** The page sizes in which every target tracks writes. */
  get dirtyPageSizes(): bigint {
    if (this.size === 0) return 0n;
    return [...this.#limits.values()].reduce((common, { dirtyPageSizes }) => common & dirtyPageSizes, -1n);
  }
}

/**
 * Maps a record into a target, piece by piece. A failure leaves nothing of it; where even that fails, the record keeps
 * the target, so that its memory is held.
 */
export async function mapInto(
  target: DmaTarget,
  record: MappingRecord,
  space: SpaceView,
  { signal, onProgress }: MapProgress = {},
): Promise<void> {
  record.targets.add(target);
  const done: MapRequest[] = [];
  try {
    const mapped = signal?.aborted === true ? undefined : await mapMany(target, record);
    if (mapped !== undefined) {
      done.push(mapped);
      onProgress?.(mapped.size);
    }
    for (const piece of restOf(record, mapped)) {
      if (signal?.aborted === true) throw await failedMap(aborted(signal), piece, target, { record, space });
      try {
        await target.map(piece);
      } catch (error) {
        throw await failedMap(error, piece, target, { record, space });
      }
      done.push(piece);
      onProgress?.(piece.iova + piece.size - record.iova);
    }
  } catch (error) {
    throw await takeBack(error, done, target, record);
  }
}

/** Maps as many equal pieces as one call can. @returns what they make up */
async function mapMany(target: DmaTarget, record: MappingRecord): Promise<MapRequest | undefined> {
  const { pieces, vaddr, iova, read, write } = record;
  if (pieces === undefined) return undefined;
  const count = (await target.mapPieces?.({ vaddr, iova, read, write, ...pieces })) ?? 0;
  return count === 0 ? undefined : { vaddr, iova, size: BigInt(count) * pieces.pieceSize, read, write };
}

/** What is left after those: the piece that was refused comes first, and says why. */
function restOf(record: MappingRecord, mapped: MapRequest | undefined): Iterable<MapRequest> {
  const { pieces } = record;
  if (pieces === undefined || mapped === undefined) return chunksOf(record);
  return piecesFrom(record, pieces, Number(mapped.size / pieces.pieceSize));
}

/** Explains why a piece was not mapped. */
function failedMap(
  error: unknown,
  piece: MapRequest,
  target: DmaTarget,
  { record, space }: { readonly record: MappingRecord; readonly space: SpaceView },
): Promise<unknown> {
  const others = [...space.records()].filter((other) => other !== record && other.targets.has(target));
  const remaining = record.iova + record.size - piece.iova;
  return explainMap(error, piece, target, { ranges: space.ranges, remaining, others });
}

/** Unmaps the pieces that were mapped before one failed. @returns the failure, with what the unmapping met */
async function takeBack(
  failure: unknown,
  done: readonly MapRequest[],
  target: DmaTarget,
  record: MappingRecord,
): Promise<unknown> {
  const undo = new Unwinding();
  for (const piece of done) undo.push(async () => void (await target.unmap(piece)));
  const further = await undo.run();
  if (further.length === 0) record.targets.delete(target);
  return withFurther(failure, further);
}

/** Unmaps a record from a target where it is mapped. */
export async function unmapFrom(target: DmaTarget, record: MappingRecord): Promise<void> {
  if (!record.targets.has(target)) return;
  await target.unmap(record);
  record.targets.delete(target);
}

/** The error of a map that was given up. */
export function aborted(signal: AbortSignal): VfioError {
  return new VfioError('the map was aborted', { code: 'ERR_ABORTED', cause: signal.reason });
}

/** The page size that all of them can map. */
function largestOf(limits: Iterable<DmaLimits>): bigint {
  return [...limits].reduce((largest, { pageSizes }) => max(largest, lowestBit(pageSizes)), PAGE_SIZE_BIGINT);
}

function lowestBit(bits: bigint): bigint {
  return bits & -bits;
}

function max(one: bigint, other: bigint): bigint {
  return one > other ? one : other;
}
