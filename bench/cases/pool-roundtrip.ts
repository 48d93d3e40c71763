import { Piscina } from 'piscina';

import { SyncLane } from '../../lib/lane/sync-lane.js';
import type { BenchCase } from '../case.js';
import { first, openLaneBench } from '../lane-bench.js';
import { nanosecondsEach } from '../timing.js';

const ROUND_TRIPS = 500;

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
    const piscina = new Piscina({ filename: new URL('../no-op.js', import.meta.url).href, maxThreads: 1 });
    return {
      subject: () => [
        nanosecondsEach(ROUND_TRIPS * 10, () => {
          for (let i = 0; i < ROUND_TRIPS * 10; i++) lane.read(region, 4, 0);
        }) / 1000,
      ],
      baseline: async () => {
        const start = process.hrtime.bigint();
        for (let i = 0; i < ROUND_TRIPS; i++) await piscina.run(i);
        return [Number(process.hrtime.bigint() - start) / ROUND_TRIPS / 1000];
      },
      close: async () => {
        await piscina.destroy();
        await bench.close();
      },
    };
  },
};

export default poolRoundtrip;
