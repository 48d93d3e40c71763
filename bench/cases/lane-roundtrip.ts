import { SyncLane } from '../../lib/lane/sync-lane.js';
import { baseline } from '../baseline/addon.js';
import type { BenchCase } from '../harness/case.js';
import { first, openLaneBench, roundTrips } from '../fixtures/lane-bench.js';

/** Enough that starting the thread of the C side does not count. */
const ROUND_TRIPS = 100_000;

const laneRoundtrip: BenchCase = {
  name: 'lane-roundtrip',
  title: 'one read through a lane, from the request to the answer',
  unit: 'ns',
  bar: 1.5,
  comparison: 'a lane and its worker with two C threads over the same slots',
  async prepare() {
    const bench = await openLaneBench();
    const lane = new SyncLane(first(bench.lanes));
    const region = first(bench.regions);
    return {
      subject: { operations: ROUND_TRIPS, run: () => roundTrips(lane, region, ROUND_TRIPS) },
      baseline: { operations: ROUND_TRIPS, run: () => baseline.laneThreads(ROUND_TRIPS) },
      close: () => bench.close(),
    };
  },
};

export default laneRoundtrip;
