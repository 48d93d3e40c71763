import { SyncLane } from '../../lib/lane/sync-lane.js';
import { baseline } from '../baseline.js';
import type { BenchCase } from '../case.js';
import { first, openLaneBench } from '../lane-bench.js';
import { nanosecondsEach } from '../timing.js';

const SAMPLES = 500;
/** So many that the clock's own cost does not count. */
const ROUND_TRIPS = 20;

const laneRoundtrip: BenchCase = {
  name: 'lane-roundtrip',
  title: 'one read through a lane, asked for and waited for',
  unit: 'ns',
  bar: 1.5,
  comparison: 'a lane and its worker with two C threads over the same slots',
  async prepare() {
    const bench = await openLaneBench();
    const descriptor = first(bench.lanes);
    const region = first(bench.regions);
    const lane = new SyncLane(descriptor);
    return {
      subject: () => Array.from({ length: SAMPLES }, () => roundTrips(lane, region)),
      baseline: () => [...baseline.laneThreads(SAMPLES, ROUND_TRIPS)],
      close: () => bench.close(),
    };
  },
};

function roundTrips(lane: SyncLane, region: number): number {
  const { slots } = lane;
  return nanosecondsEach(ROUND_TRIPS, () => {
    for (let i = 0; i < ROUND_TRIPS; i++) {
      if (slots.status(lane.read(region, 4, i * 4)) !== 0) throw new Error('a read failed');
    }
  });
}

export default laneRoundtrip;
