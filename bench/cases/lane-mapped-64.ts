import type { BenchCase } from '../harness/case.js';
import { first, openLaneBench, produce, produceInC } from '../fixtures/lane-bench.js';

const OPERATIONS = 200_000;

const laneMapped64: BenchCase = {
  name: 'lane-mapped-64',
  title: 'an operation on a mapped region through a lane with 64 in flight',
  unit: 'ns',
  bar: 1.5,
  comparison: 'a producer in JavaScript with one in C, on the same lane and worker',
  async prepare() {
    const bench = await openLaneBench();
    const lane = first(bench.lanes);
    const region = first(bench.regions);
    return {
      subject: { operations: OPERATIONS, run: () => produce(lane, [region], OPERATIONS) },
      baseline: { operations: OPERATIONS, run: () => produceInC(lane, region, OPERATIONS) },
      close: () => bench.close(),
    };
  },
};

export default laneMapped64;
