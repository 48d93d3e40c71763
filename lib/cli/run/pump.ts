import type { Tally } from './report.js';

/** What a job of a run needs besides its device. */
export interface JobContext {
  readonly tally: Tally;
  /** Aborted when the time is over; a job ends what it has begun and returns. */
  readonly stop: AbortSignal;
  /** How many I/O workers there are to keep busy. */
  readonly workers: number;
  /** Told of the first failure of each pump. */
  readonly onFailure: (error: unknown) => void;
}

/** Operations in flight in one go of a pump: enough to keep a worker busy, few enough not to hold up the event loop. */
export const BATCH = 64;
/** Pumps a worker: while one looks at its results, the other's operations run. */
export const PUMPS_PER_WORKER = 2;

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
export function expectValue(tally: Tally, actual: number, expected: number): void {
  if (actual !== expected) tally.errors++;
}

/** A 32-bit value that changes in every bit from one number to the next (Knuth's multiplicative hash). */
export function scramble(number: number): number {
  const mixed = Math.imul(number + 1, 0x9e3779b1);
  return (mixed ^ (mixed >>> 15)) >>> 0;
}
