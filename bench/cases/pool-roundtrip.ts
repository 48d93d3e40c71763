import { Piscina } from 'piscina';

import { SyncLane } from '../../lib/lane/sync-lane.js';
import type { BenchCase } from '../case.js';
import { first, openLaneBench } from '../lane-bench.js';
import { nanosecondsEach } from '../timing.js';

/** The options that `WorkerPool` gives it. */
const AS_THE_POOL = { minThreads: 1, maxThreads: 1, concurrentTasksPerWorker: 1, atomics: 'disabled' } as const;
const RUNS = 500;
const ROUND_TRIPS = 50_000;
/** Until the scheduler has given the two threads a CPU each, which Piscina's had before. */
const SETTLING = 20_000;

const poolRoundtrip: BenchCase = {
  name: 'pool-roundtrip',
  title: 'one read through a lane, asked for and waited for',
  comparison: 'a lane with `piscina.run()` of a function that returns its argument',
  unit: 'us',
  bar: 0.01,
  async prepare() {
    const bench = await openLaneBench();
    const lane = new SyncLane(first(bench.lanes));
    const region = first(bench.regions);
    const piscina = new Piscina({ filename: new URL('../no-op.js', import.meta.url).href, ...AS_THE_POOL });
    return {
      subject: () => {
        roundTrips(lane, region, SETTLING);
        return [nanosecondsEach(ROUND_TRIPS, () => roundTrips(lane, region, ROUND_TRIPS)) / 1000];
      },
      baseline: async () => {
        const start = process.hrtime.bigint();
        for (let i = 0; i < RUNS; i++) await piscina.run(i);
        return [Number(process.hrtime.bigint() - start) / RUNS / 1000];
      },
      close: async () => {
        await piscina.destroy();
        await bench.close();
      },
    };
  },
};

function roundTrips(lane: SyncLane, region: number, count: number): void {
  for (let i = 0; i < count; i++) {
    if (lane.slots.status(lane.read(region, 4, 0)) !== 0) throw new Error('a read failed');
  }
}

export default poolRoundtrip;
