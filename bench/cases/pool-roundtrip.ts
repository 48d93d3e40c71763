import { Piscina } from 'piscina';

import { SyncLane } from '../../lib/lane/sync-lane.js';
import type { BenchCase } from '../harness/case.js';
import { first, openLaneBench, roundTrips } from '../fixtures/lane-bench.js';

/** The options that `WorkerPool` passes to Piscina. */
const AS_THE_POOL = { minThreads: 1, maxThreads: 1, concurrentTasksPerWorker: 1, atomics: 'disabled' } as const;
const RUNS = 500;
const ROUND_TRIPS = 50_000;
/** Round trips until the scheduler has moved the two threads to CPUs of their own: Piscina's had them before. */
const SETTLING = 20_000;

const poolRoundtrip: BenchCase = {
  name: 'pool-roundtrip',
  title: 'one read through a lane, from the request to the answer',
  comparison: 'a lane with `piscina.run()` of a function that returns its argument',
  unit: 'us',
  bar: 0.01,
  async prepare() {
    const bench = await openLaneBench();
    const lane = new SyncLane(first(bench.lanes));
    const region = first(bench.regions);
    const piscina = new Piscina({ filename: new URL('../fixtures/no-op.js', import.meta.url).href, ...AS_THE_POOL });
    return {
      subject: {
        operations: ROUND_TRIPS,
        before: () => roundTrips(lane, region, SETTLING),
        run: () => roundTrips(lane, region, ROUND_TRIPS),
      },
      baseline: {
        operations: RUNS,
        runAsync: async () => {
          for (let i = 0; i < RUNS; i++) await piscina.run(i);
        },
      },
      close: async () => {
        await piscina.destroy();
        await bench.close();
      },
    };
  },
};

export default poolRoundtrip;
