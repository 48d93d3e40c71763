import { quantile } from 'simple-statistics';

import { LaneProducer } from '../../lib/lane/lane-producer.js';
import { WorkerPool } from '../../lib/pool/pool.js';
import { Program } from '../../lib/region/program.js';
import type { BenchCase } from '../harness/case.js';
import { expectEqual, openMemoryRegion } from '../fixtures/memory-region.js';

const STEPS = 4_000_000;
const READS = 1000;
/** A slice of an operation, and what a program may hold its worker beyond it; microseconds. */
const SLICE_AND_MORE = 20 + 20;

/** Reads of another lane while a worker cancels the millions of steps behind a failed one. */
const failingProgram: BenchCase = {
  name: 'failing-program',
  title: `a read of another lane at p99 while the steps of a failed program of ${STEPS} are cancelled`,
  comparison: 'beside the program with beside an idle lane',
  unit: 'us',
  barAbove: SLICE_AND_MORE,
  async prepare() {
    const pool = await WorkerPool.start({ workers: 1 });
    const region = await openMemoryRegion(4096, 'mapped');
    const program = new Program(region, STEPS);
    for (let step = 0; step < STEPS; step++) program.read32(step === 0 ? 8192 : 0);
    const eventLoop = pool.lane();
    const descriptor = pool.createLane();
    const number = pool.addRegion(descriptor, region);
    const lane = new LaneProducer(descriptor);
    let run: Promise<unknown> = Promise.resolve();
    const sample = (): number[] => [p99OfReads(lane, number)];
    return {
      subject: {
        before: () => {
          run = program.runOn(eventLoop).catch((error: unknown) => error);
        },
        sample,
        after: async () => {
          expectEqual('the number of runs that failed', (await run) instanceof Error ? 1 : 0, 1);
        },
      },
      baseline: { sample },
      close: async () => {
        await pool.close();
        await region.close();
      },
    };
  },
};

/** Spins for each answer: a sleep would add what it takes to wake this thread. */
function p99OfReads(lane: LaneProducer, region: number): number {
  const costs = new Float64Array(READS);
  for (let read = 0; read < READS; read++) {
    const begun = performance.now();
    lane.pushRead(region, 4, 0);
    lane.publish();
    while (lane.answered === 0);
    lane.take();
    costs[read] = (performance.now() - begun) * 1000;
  }
  return quantile([...costs], 0.99);
}

export default failingProgram;
