import type { Region } from '../../region/region.js';
import type { Tally } from './report.js';

/** What a job of a run needs besides its device. */
export interface JobContext {
  readonly tally: Tally;
  /** Aborted when the time is over; a job ends what it has begun and returns. */
  readonly stop: AbortSignal;
  /** Told of the first failure of each pump. */
  readonly onFailure: (error: unknown) => void;
}

/** Pairs of a write and a read in one go of a pump: many for one wake-up, few enough not to hold up the event loop. */
export const BATCH = 16;

/** Pumps of a kind: while the results of one are looked at here, the worker has the other's operations to run. */
const PUMPS = 2;

/** Runs enough pumps of a kind that the worker never waits for this thread; each has its own rounds. */
export async function keepBusy(context: JobContext, step: (round: number) => Promise<void>): Promise<void> {
  const pumps = Array.from({ length: PUMPS }, (_, index) => pump(context, (round) => step(round * PUMPS + index)));
  await Promise.all(pumps);
}

/**
 * Goes on with one step after another until the time is over. A step that fails ends its pump and counts as an error.
 * @param step does some operations and waits for them
 */
export async function pump(context: JobContext, step: (round: number) => Promise<void>): Promise<void> {
  try {
    for (let round = 0; !context.stop.aborted; round++) await step(round);
  } catch (error) {
    context.tally.errors++;
    context.onFailure(error);
  }
}

/** Counts an error when a value is not what it must be. */
export function expectValue(tally: Tally, actual: number | bigint | undefined, expected: number): void {
  if (actual !== expected) tally.errors++;
}

/** A 32-bit value that changes in every bit from one number to the next (Knuth's multiplicative hash). */
export function scramble(number: number): number {
  const mixed = Math.imul(number + 1, 0x9e3779b1);
  return (mixed ^ (mixed >>> 15)) >>> 0;
}

/** Counts accesses as mapped or trapped, by what the region is at this offset. */
export function countAccesses(tally: Tally, region: Region, regionOffset: number, count: number): void {
  const { areas } = region.descriptor;
  if (areas.some(({ offset, size }) => regionOffset >= offset && regionOffset < offset + size)) tally.mapped += count;
  else tally.trapped += count;
}
