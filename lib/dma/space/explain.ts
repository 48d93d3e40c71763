import type { IovaRange, ReservedRange } from '../../base/iova-range.js';
import type { DmaTarget, MapRequest } from '../../backends/backend.js';
import { systemError, VfioError, withContext } from '../../base/errors.js';
import { hintFor, ifFound } from '../../kernel/hints.js';
import { describeLockedMemory } from '../../kernel/locked-memory.js';

/** A mapping beside the one that was refused. */
export interface Neighbour {
  readonly iova: bigint;
  readonly size: bigint;
}

/** Makes the error of a fixed IOVA that cannot be had. */
export function refusedRange(
  { iova, size }: { iova: bigint; size: bigint },
  ranges: readonly IovaRange[],
  { taken, reserved = [] }: { readonly taken?: Neighbour | undefined; readonly reserved?: readonly ReservedRange[] },
): VfioError {
  const asked = show({ start: iova, last: iova + size - 1n });
  if (taken !== undefined) {
    const there = show({ start: taken.iova, last: taken.iova + taken.size - 1n });
    return systemError('EEXIST', 'map', { hint: `${asked} overlaps ${there}, which is mapped: unmap it first` });
  }
  return systemError('EINVAL', 'map', { hint: outside({ start: iova, last: iova + size - 1n }, ranges, reserved) });
}

/** Makes the error of an IOVA request that nothing free fits. */
export function noFit(size: bigint, limit: bigint, ranges: readonly IovaRange[]): VfioError {
  const hint = `no ${size} bytes are free up to 0x${limit.toString(16)}; what can be mapped is ${list(ranges)}`;
  return systemError('ENOSPC', 'allocate', { hint });
}

/** What else there is to tell of a map that failed. */
export interface MapContext {
  readonly ranges: readonly IovaRange[];
  /** Bytes of the whole request that are not mapped yet. */
  readonly remaining: bigint;
  /** What the IOMMU object has mapped beside the request. */
  readonly others: readonly Neighbour[];
}

/** Adds to a failed MAP_DMA what can be known about why. */
export async function explainMap(
  error: unknown,
  request: MapRequest,
  target: DmaTarget,
  context: MapContext,
): Promise<unknown> {
  if (!(error instanceof VfioError)) return error;
  return withContext(error, { hint: await mapHint(error.code, request, target, context) });
}

async function mapHint(
  code: string,
  { iova, size }: MapRequest,
  target: DmaTarget,
  { ranges, remaining, others }: MapContext,
): Promise<string | undefined> {
  const hint = hintFor('mapDma', code);
  if (code === 'EINVAL') {
    const reserved = await ifFound(() => target.queryReserved());
    return outside({ start: iova, last: iova + size - 1n }, ranges, reserved ?? []);
  }
  if (code === 'ENOSPC') return `${hint}; ${await entries(target)}, ${describeMapped(others)}`;
  if (code === 'ENOMEM') {
    return `${hint}: ${remaining} bytes more are needed, ${await locked(target)}`;
  }
  return hint;
}

/** Says how many mappings the IOMMU object has and may have. The error that is being explained comes first. */
async function entries(target: DmaTarget): Promise<string> {
  try {
    const { entriesLeft: left, entryLimit: limit } = await target.queryLimits();
    if (left === undefined || limit === undefined) return 'the kernel does not tell the limit';
    return `${limit - left} of ${limit} are in use`;
  } catch (error) {
    return `the limit is unknown (${(error as Error).message})`;
  }
}

function describeMapped(mappings: readonly Neighbour[]): string {
  const bytes = mappings.reduce((sum, { size }) => sum + size, 0n);
  return `beside this one there ${mappings.length === 1 ? 'is 1 mapping' : `are ${mappings.length} mappings`} of ${bytes} bytes`;
}

async function locked(target: DmaTarget): Promise<string> {
  try {
    return describeLockedMemory(await target.queryLocked());
  } catch (error) {
    return `what is locked is unknown (${(error as Error).message})`;
  }
}

function outside(asked: IovaRange, ranges: readonly IovaRange[], reserved: readonly ReservedRange[]): string {
  const met = reserved.filter(({ start, last }) => start <= asked.last && asked.start <= last);
  const kept = met.map((range) => `${show(range)} is kept for ${PURPOSES[range.type] ?? range.type}`).join(', ');
  const why = kept === '' ? '' : `: ${kept}`;
  // A kernel that tells no ranges, or has narrowed them since they were asked for.
  if (kept === '' && ranges.some(({ start, last }) => start <= asked.start && asked.last <= last)) {
    return `${show(asked)} was refused, though what is known to be mappable is ${list(ranges)}: take another range`;
  }
  return `${show(asked)} cannot be mapped${why}; what can be is ${list(ranges)}`;
}

/** Source: iommu_group_resv_type_string */
const PURPOSES: Readonly<Record<string, string>> = {
  msi: 'interrupt messages (msi)',
  direct: "the firmware's own mappings (direct)",
  reserved: 'the platform (reserved)',
};

function list(ranges: readonly IovaRange[]): string {
  return ranges.length === 0 ? 'nothing' : ranges.map(show).join(', ');
}

function show({ start, last }: IovaRange): string {
  return `0x${start.toString(16)}-0x${last.toString(16)}`;
}
