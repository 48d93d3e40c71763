import { RegionHandlers, mmioLengths } from '../../../lib/guest-bus/region-handlers.js';
import type { PlaceableRegion } from '../../../lib/guest-bus/placeable-region.js';

/** So that no collection falls into a round and hides its garbage. */
export const HEAP_FLAGS = ['--expose-gc', '--min-semi-space-size=64', '--max-semi-space-size=64'];

/** On a busy machine the compiler, which runs beside, is done late. */
const MOST_ROUNDS = 60;
/** Bytes an access: a round with less has none of its own. */
const NONE = 0.5;

/**
 * The garbage of trapped accesses of every length, in bytes an access, in the best of some rounds: the compiler's own
 * allocations fall into the others. Needs --expose-gc and a young generation that holds a round (HEAP_FLAGS).
 */
export function garbagePerAccess(region: PlaceableRegion, start: number, span: number, count: number): number {
  const handlers = new RegionHandlers(region, start, mmioLengths, { count: 0, report: undefined });
  const data = new Uint8Array(8).fill(0xfe);
  const collect = globalThis.gc;
  if (collect === undefined) throw new Error('run by node --expose-gc');
  let least = Infinity;
  for (let round = 0; round < MOST_ROUNDS && least >= NONE; round++) {
    collect();
    const before = process.memoryUsage().heapUsed;
    access(handlers, data, span, count);
    least = Math.min(least, (process.memoryUsage().heapUsed - before) / count);
  }
  return least;
}

function access(handlers: RegionHandlers, data: Uint8Array, span: number, count: number): void {
  for (let i = 0; i < count; i++) {
    const length = 1 + (i & 7);
    const offset = (i * 3) % (span - 8);
    const answered = (i & 8) === 0 ? handlers.read(offset, data, length) : handlers.write(offset, data, length);
    if (!answered) throw new Error(`the access of ${length} bytes at ${offset} failed`);
  }
}
