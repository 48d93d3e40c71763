import fc from 'fast-check';

import { type Difference, replay } from '../difference.js';
import { compareDma, type DmaComparison, type DmaSides } from './compare.js';
import { type Lane, makeLanes } from './lanes.js';
import { type DmaCall, dmaPrograms } from './program.js';

export interface DmaRunOptions {
  readonly seed: number;
  /** How many programs. */
  readonly sequences: number;
  /** Whether to end with a line of JSON. */
  readonly json: boolean;
}

interface DmaReport {
  sequences: number;
  calls: number;
  transfers: number;
  moved: number;
  bitmaps: number;
  leftOut: number;
  readonly divergences: { readonly program: readonly DmaCall[]; readonly divergence: Difference }[];
}

/** How many programs fast-check runs at a time. Each batch has its own seed and opens the devices again. */
const BATCH = 100;
const MOST_DIVERGENCES = 10;

/** Runs programs of `dmaPrograms` on both kernels. The exit code is 1 after a difference. */
export async function runDmaPrograms({ seed, sequences, json }: DmaRunOptions): Promise<void> {
  console.log(`seed ${seed}`);
  const report: DmaReport = {
    ...{ sequences: 0, calls: 0, transfers: 0, moved: 0, bitmaps: 0, leftOut: 0 },
    divergences: [],
  };
  const batches = Array.from({ length: Math.ceil(sequences / BATCH) }, (_, index) => ({
    seed: seed + index,
    count: Math.min(BATCH, sequences - index * BATCH),
  }));
  const setup = await makeLanes();
  try {
    await Promise.all(setup.lanes.map((lane) => runLane(report, lane, batches)));
  } finally {
    await setup.close();
  }
  for (const { program, divergence } of report.divergences) console.log(replay(program, divergence));
  const divergences = report.divergences.length;
  if (json) console.log(JSON.stringify({ seed, ...report, divergences }));
  else console.log(summary(report));
  process.exitCode = divergences === 0 ? 0 : 1;
}

interface Batch {
  readonly seed: number;
  readonly count: number;
}

/** Runs batches until none is left. */
async function runLane(report: DmaReport, lane: Lane, batches: Batch[]): Promise<void> {
  for (let batch = batches.shift(); batch !== undefined; batch = batches.shift()) {
    if (report.divergences.length >= MOST_DIVERGENCES) return;
    const sides = await lane.open();
    try {
      await runBatch(report, sides, batch);
    } finally {
      await Promise.all([sides.real.close(), sides.software.close()]);
    }
    console.log(summary(report));
  }
}

/** Runs programs until the sides differ. fast-check then shrinks that program. */
async function runBatch(report: DmaReport, sides: DmaSides, { seed, count }: Batch): Promise<void> {
  let last: Difference | undefined;
  const property = fc.asyncProperty(dmaPrograms, async (program) => {
    const result = await compareDma(program, sides);
    if (last === undefined) add(report, result);
    if (result.divergence !== undefined && last === undefined) {
      console.log(`batch of seed ${seed}, shrinking a ${replay(program, result.divergence)}`);
    }
    if (result.divergence === undefined) return true;
    last = result.divergence;
    await Promise.all([sides.real.synchronize(), sides.software.synchronize()]);
    return false;
  });
  const details = await fc.check(property, { seed, numRuns: count });
  const [program] = details.counterexample ?? [];
  if (program === undefined || last === undefined) return;
  report.divergences.push({ program, divergence: last });
}

function add(report: DmaReport, result: DmaComparison): void {
  report.sequences++;
  for (const name of ['calls', 'transfers', 'moved', 'bitmaps', 'leftOut'] as const) report[name] += result[name];
}

function summary({ sequences, calls, transfers, moved, bitmaps, leftOut, divergences }: DmaReport): string {
  return [
    `${sequences} programs, ${calls} calls, ${transfers} transfers (${moved} changed memory, ${leftOut} left out)`,
    `${bitmaps} dirty bitmaps, ${divergences.length} divergences`,
  ].join(', ');
}
