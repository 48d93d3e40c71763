import type { BenchCase } from './case.js';
import { first, openLaneBench, produce } from './lane-bench.js';

const OPERATIONS = 200_000;

/** What an operation costs when a worker's operations go round many regions, over what it costs on one. */
export function scaleRegions(name: string, regions: number): BenchCase {
  return {
    name,
    title: `an operation through a lane, going round ${regions} regions`,
    unit: 'ns',
    bar: 1.2,
    comparison: `${regions} regions with one`,
    async prepare() {
      const bench = await openLaneBench({ regions, inMemory: true });
      const lane = first(bench.lanes);
      return {
        subject: () => [produce(lane, bench.regions, OPERATIONS)],
        baseline: () => [produce(lane, bench.regions.slice(0, 1), OPERATIONS)],
        close: () => bench.close(),
      };
    },
  };
}
