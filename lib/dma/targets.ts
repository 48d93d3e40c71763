import type { DmaLimits, DmaTarget, IovaRange, ReservedRange } from '../backends/backend.js';
import { VfioError } from '../errors.js';
import { Unwinding, withFurther } from '../unwinding.js';
import { explainMap } from './explain.js';
import { discardsOf } from './holdings.js';
import { intersect, subtract } from './iova-allocator.js';
import { chunksOf, type MappingRecord } from './mapping-table.js';

/** What can be mapped before a device tells: the width of a common IOMMU, less the x86 interrupt window. */
const DEFAULT_RANGES: readonly IovaRange[] = [
  { start: 0n, last: 0xfedfffffn },
  { start: 0xfef00000n, last: 0xffffffffffffn },
];
const ALL: readonly IovaRange[] = [{ start: 0n, last: (1n << 64n) - 1n }];

/** How a map goes on while it runs. */
export interface MapProgress {
  readonly signal?: AbortSignal | undefined;
  /** Told after each piece how many bytes are mapped. */
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

  get targets(): Iterable<DmaTarget> {
    return this.#limits.keys();
  }

  get size(): number {
    return this.#limits.size;
  }

  set(target: DmaTarget, limits: DmaLimits): void {
    this.#limits.set(target, limits);
  }

  delete(target: DmaTarget): void {
    this.#limits.delete(target);
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
    return [...this.#limits.values()].reduce((largest, { pageSizes }) => max(largest, lowestBit(pageSizes)), 4096n);
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
  const undo = new Unwinding();
  let mapped = 0n;
  record.targets.add(target);
  undo.push(() => void record.targets.delete(target));
  const discards = discardsOf(record);
  if (discards !== undefined) await discards;
  for (const piece of chunksOf(record)) {
    try {
      if (signal?.aborted === true) throw aborted(signal);
      await target.map(piece);
    } catch (error) {
      const others = [...space.records()].filter((other) => other !== record && other.targets.has(target));
      const context = { ranges: space.ranges, remaining: record.size - mapped, others };
      const failure = await explainMap(error, piece, target, context);
      const further = await undo.run();
      if (further.length > 0) record.targets.add(target);
      throw withFurther(failure, further);
    }
    undo.push(async () => void (await target.unmap(piece)));
    mapped += piece.size;
    onProgress?.(mapped);
  }
}

/** Unmaps a record from a target where it is mapped. */
export async function unmapFrom(target: DmaTarget, record: MappingRecord): Promise<void> {
  if (!record.targets.has(target)) return;
  await target.unmap(record);
  record.targets.delete(target);
}

function aborted(signal: AbortSignal): VfioError {
  return new VfioError('the map was aborted', { code: 'ERR_ABORTED', cause: signal.reason });
}

function lowestBit(bits: bigint): bigint {
  return bits & -bits;
}

function max(one: bigint, other: bigint): bigint {
  return one > other ? one : other;
}
