import { readFile } from 'node:fs/promises';

import type { DmaTarget, IovaRange, MapRequest, ReservedRange } from '../backends/backend.js';
import { systemError, VfioError, withContext } from '../errors.js';
import { hintFor } from '../hints.js';

/** What is mapped where a map was refused. */
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

/** Adds to a failed MAP_DMA what can be known about why. */
export async function explainMap(
  error: unknown,
  request: MapRequest,
  target: DmaTarget,
  ranges: readonly IovaRange[],
): Promise<unknown> {
  if (!(error instanceof VfioError)) return error;
  return withContext(error, { hint: await mapHint(error.code, request, target, ranges) });
}

async function mapHint(
  code: string,
  { iova, size }: MapRequest,
  target: DmaTarget,
  ranges: readonly IovaRange[],
): Promise<string | undefined> {
  const hint = hintFor('mapDma', code);
  if (code === 'EINVAL') {
    return outside({ start: iova, last: iova + size - 1n }, ranges, await target.queryReserved());
  }
  if (code === 'ENOSPC') return `${hint}; ${await entriesLeft(target)} left`;
  if (code === 'ENOMEM') {
    return `${hint}: ${size} bytes more are needed, ${await lockedBytes()} are locked, the limit is ${await memlockLimit()}`;
  }
  return hint;
}

/** The error that is being explained comes first: where the kernel does not tell, it is unknown. */
async function entriesLeft(target: DmaTarget): Promise<string> {
  try {
    return String((await target.queryLimits()).entriesLeft ?? 'unknown');
  } catch (error) {
    return `unknown (${(error as Error).message})`;
  }
}

/** The limit of locked memory of this process, as text. Source: /proc/self/limits */
export async function memlockLimit(): Promise<string> {
  const text = await readFile('/proc/self/limits', 'latin1');
  const soft = /^Max locked memory\s+(\S+)/m.exec(text)?.[1] ?? 'unknown';
  return soft === 'unlimited' || soft === 'unknown' ? soft : `${soft} bytes`;
}

/** What this process has locked, for itself and for devices. Source: /proc/self/status, VmLck */
async function lockedBytes(): Promise<string> {
  const kilobytes = /^VmLck:\s+(\d+) kB/m.exec(await readFile('/proc/self/status', 'latin1'))?.[1];
  return kilobytes === undefined ? 'unknown' : String(Number(kilobytes) * 1024);
}

function outside(asked: IovaRange, ranges: readonly IovaRange[], reserved: readonly ReservedRange[]): string {
  const met = reserved.filter(({ start, last }) => start <= asked.last && asked.start <= last);
  const kept = met.map((range) => `${show(range)} is kept for ${PURPOSES[range.type] ?? range.type}`).join(', ');
  const why = kept === '' ? '' : `: ${kept}`;
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
