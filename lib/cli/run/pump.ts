import type { Region } from '../../region/region.js';
import type { Tally } from './report.js';

/** The context of a job, besides its device. */
export interface JobContext {
  readonly tally: Tally;
  /** Aborted when the time is over. A job completes the step that it has begun and returns. */
  readonly stop: AbortSignal;
  /** Called with the failure that ended a pump. */
  readonly onFailure: (error: unknown) => void;
}

/** Pairs of a write and a read in one step of a pump: many for each wake-up, but few enough not to block the event loop. */
export const BATCH = 16;

/** Pumps of one kind: the worker runs the operations of one while this thread checks the results of the other. */
const PUMPS = 2;

/** Runs enough pumps of one kind that the worker never waits for this thread. Each pump has its own rounds. */
export async function keepBusy(context: JobContext, step: (round: number) => Promise<void>): Promise<void> {
  const pumps = Array.from({ length: PUMPS }, (_, index) => pump(context, (round) => step(round * PUMPS + index)));
  await Promise.all(pumps);
}

/**
 * Runs one step after the other until the time is over. A step that fails ends its pump and counts as an error.
 * @param step makes some operations and waits for them
 */
export async function pump(context: JobContext, step: (round: number) => Promise<void>): Promise<void> {
  try {
    for (let round = 0; !context.stop.aborted; round++) await step(round);
  } catch (error) {
    context.tally.errors++;
    context.onFailure(error);
  }
}

/** Counts an error if a value is not the expected one. */
export function expectValue(tally: Tally, actual: number | bigint | undefined, expected: number): void {
  if (actual !== expected) tally.errors++;
}

/** A 32-bit value that changes in every bit from one number to the next (Knuth's multiplicative hash). */
export function scramble(number: number): number {
  const mixed = Math.imul(number + 1, 0x9e3779b1);
  return (mixed ^ (mixed >>> 15)) >>> 0;
}

/** Counts accesses as mapped or trapped, depending on whether the region is mapped at the offset. */
export function countAccesses(tally: Tally, region: Region, regionOffset: number, count: number): void {
  if (isMapped(region, regionOffset)) tally.mapped += count;
  else tally.trapped += count;
}

/** Notes that a device offers accesses at this place of a region, which are mapped or trapped. */
export function offerAccesses(tally: Tally, region: Region, regionOffset: number): void {
  tally.offered.add(isMapped(region, regionOffset) ? 'mapped accesses' : 'trapped accesses');
}

function isMapped(region: Region, regionOffset: number): boolean {
  const { areas } = region.descriptor;
  return areas.some(({ offset, size }) => regionOffset >= offset && regionOffset < offset + size);
}
