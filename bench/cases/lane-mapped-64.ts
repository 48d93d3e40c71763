import type { BenchCase } from '../case.js';
import { openLaneBench, produce, produceInC } from '../lane-bench.js';

const OPERATIONS = 200_000;

const laneMapped64: BenchCase = {
  name: 'lane-mapped-64',
  title: 'an operation on a mapped region through a lane with 64 under way',
  unit: 'ns',
  bar: 1.5,
  comparison: 'a producer in JavaScript with one in C, on the same lane and worker',
  async prepare() {
    const bench = await openLaneBench();
    const [lane] = bench.lanes;
    const [region] = bench.regions;
    if (lane === undefined || region === undefined) throw new Error('the bench has no lane');
    return {
      subject: () => [produce(lane, [region], OPERATIONS)],
      baseline: () => [produceInC(lane, region, OPERATIONS)],
      close: () => bench.close(),
    };
  },
};

export default laneMapped64;
