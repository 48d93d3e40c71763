import type { DmaChunk, DmaTarget } from '../../backends/dma-target.js';
import { systemError, VfioError, withContext } from '../../base/errors.js';
import type { IovaRange, ReservedRange } from '../../base/iova-range.js';
import { hintFor, ifFound } from '../../kernel/hints.js';
import { describeLockedMemory } from '../../kernel/locked-memory.js';

/** A range of a space that is mapped, or that someone wants to map. */
export interface MappedRange {
  readonly iova: bigint;
  /** Bytes. */
  readonly size: bigint;
}

/**
 * Makes the error of a fixed IOVA that cannot be mapped: EEXIST if it overlaps a mapping, else EINVAL.
 * @param ranges the IOVAs that can be mapped. @param context the mapping that is in the way, and the reserved ranges
 */
export function iovaRejected(
  wanted: MappedRange,
  ranges: readonly IovaRange[],
  { taken, reserved = [] }: { readonly taken?: MappedRange | undefined; readonly reserved?: readonly ReservedRange[] },
): VfioError {
  if (taken !== undefined) {
    const hint = `${describeRange(rangeOf(wanted))} overlaps the mapping ${describeRange(rangeOf(taken))}: unmap it first`;
    return systemError('EEXIST', 'map', { hint });
  }
  return systemError('EINVAL', 'map', { hint: describeRejected(rangeOf(wanted), ranges, reserved) });
}

/** Makes the error of a request that no free range of IOVAs fits. @param size bytes. @param limit the last IOVA allowed */
export function noFreeIova(size: bigint, limit: bigint, ranges: readonly IovaRange[]): VfioError {
  const hint = `no ${size} bytes are free up to 0x${limit.toString(16)}; the IOVAs that can be mapped are ${describeRanges(ranges)}`;
  return systemError('ENOSPC', 'allocate', { hint });
}

/** The facts that explain a failed map. */
export interface MapContext {
  /** The IOVAs that can be mapped, ascending. */
  readonly ranges: readonly IovaRange[];
  /** Bytes of the whole request that are not mapped yet. */
  readonly remaining: bigint;
  /** The other mappings of the IOMMU object. */
  readonly others: readonly MappedRange[];
}

/** Adds a hint to the error of a failed map: why it failed and what to do. @returns the error with the hint */
export async function explainMap(
  error: unknown,
  chunk: DmaChunk,
  target: DmaTarget,
  context: MapContext,
): Promise<unknown> {
  if (!(error instanceof VfioError)) return error;
  return withContext(error, { hint: await hintOf(error.code, chunk, target, context) });
}

async function hintOf(
  code: string,
  chunk: DmaChunk,
  target: DmaTarget,
  { ranges, remaining, others }: MapContext,
): Promise<string | undefined> {
  const hint = hintFor('mapDma', code);
  if (code === 'EINVAL') {
    const reserved = await ifFound(() => target.queryReserved());
    return describeRejected(rangeOf(chunk), ranges, reserved ?? []);
  }
  if (code === 'ENOSPC') return `${hint}; ${await describeEntries(target)}, ${describeMappings(others)}`;
  if (code === 'ENOMEM') return `${hint}: ${remaining} bytes more are needed, ${await describeLocked(target)}`;
  return hint;
}

/** Describes how many mappings the IOMMU object has. A failure of the query must not hide the error that is explained. */
async function describeEntries(target: DmaTarget): Promise<string> {
  try {
    const { entriesLeft: left, entryLimit: limit } = await target.queryLimits();
    if (left === undefined || limit === undefined) return 'the kernel does not report the limit';
    return `${limit - left} of ${limit} are in use`;
  } catch (error) {
    return `the limit is unknown (${(error as Error).message})`;
  }
}

function describeMappings(mappings: readonly MappedRange[]): string {
  const bytes = mappings.reduce((sum, { size }) => sum + size, 0n);
  return `beside this one there ${mappings.length === 1 ? 'is 1 mapping' : `are ${mappings.length} mappings`} of ${bytes} bytes`;
}

/** Describes the locked memory. A failure of the query must not hide the error that is explained. */
async function describeLocked(target: DmaTarget): Promise<string> {
  try {
    return describeLockedMemory(await target.queryLocked());
  } catch (error) {
    return `the amount of locked memory is unknown (${(error as Error).message})`;
  }
}

/** Describes why a range cannot be mapped. */
function describeRejected(wanted: IovaRange, ranges: readonly IovaRange[], reserved: readonly ReservedRange[]): string {
  const overlapping = reserved.filter(({ start, last }) => start <= wanted.last && wanted.start <= last);
  const reasons = overlapping.map(
    (range) => `${describeRange(range)} is reserved for ${PURPOSES[range.type] ?? range.type}`,
  );
  const mappable = describeRanges(ranges);
  // The kernel reports no ranges, or has narrowed them since they were read.
  if (reasons.length === 0 && ranges.some(({ start, last }) => start <= wanted.start && wanted.last <= last)) {
    return `the kernel rejected ${describeRange(wanted)}, although it is inside ${mappable}: take another range`;
  }
  const why = reasons.length === 0 ? '' : `: ${reasons.join(', ')}`;
  return `${describeRange(wanted)} cannot be mapped${why}; the IOVAs that can be mapped are ${mappable}`;
}

/** Source: iommu_group_resv_type_string */
const PURPOSES: Readonly<Record<string, string>> = {
  msi: 'interrupt messages (msi)',
  direct: "the firmware's own mappings (direct)",
  reserved: 'the platform (reserved)',
};

function describeRanges(ranges: readonly IovaRange[]): string {
  return ranges.length === 0 ? 'none' : ranges.map(describeRange).join(', ');
}

function describeRange({ start, last }: IovaRange): string {
  return `0x${start.toString(16)}-0x${last.toString(16)}`;
}

function rangeOf({ iova, size }: MappedRange): IovaRange {
  return { start: iova, last: iova + size - 1n };
}
