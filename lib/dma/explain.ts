import { readFile } from 'node:fs/promises';

import type { DmaTarget, IovaRange, MapRequest } from '../backends/backend.js';
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
  taken: Neighbour | undefined,
): VfioError {
  const asked = show({ start: iova, last: iova + size - 1n });
  if (taken !== undefined) {
    const there = show({ start: taken.iova, last: taken.iova + taken.size - 1n });
    return systemError('EEXIST', 'map', { hint: `${asked} overlaps ${there}, which is mapped: unmap it first` });
  }
  return systemError('EINVAL', 'map', { hint: outside(asked, ranges) });
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
  if (code === 'EINVAL') return outside(show({ start: iova, last: iova + size - 1n }), ranges);
  if (code === 'ENOSPC') return `${hint}; ${await entriesLeft(target)} left`;
  if (code === 'ENOMEM') return `${hint}: ${size} bytes more are needed, the limit is ${await memlockLimit()}`;
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

function outside(asked: string, ranges: readonly IovaRange[]): string {
  return `${asked} cannot be mapped; what can be is ${list(ranges)}, less what is reserved`;
}

function list(ranges: readonly IovaRange[]): string {
  return ranges.length === 0 ? 'nothing' : ranges.map(show).join(', ');
}

function show({ start, last }: IovaRange): string {
  return `0x${start.toString(16)}-0x${last.toString(16)}`;
}
