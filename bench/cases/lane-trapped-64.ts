import { baseline } from '../baseline/addon.js';
import type { BenchCase } from '../harness/case.js';
import { first, openLaneBench, produce } from '../fixtures/lane-bench.js';

const OPERATIONS = 100_000;

const laneTrapped64: BenchCase = {
  name: 'lane-trapped-64',
  title: 'an operation on a trapped region through a lane with 64 in flight',
  unit: 'ns',
  bar: 1.1,
  comparison: 'a producer in JavaScript and a worker with a loop of pread and pwrite in C',
  async prepare() {
    const bench = await openLaneBench({ trapped: true });
    return {
      subject: { operations: OPERATIONS, run: () => produce(first(bench.lanes), bench.regions, OPERATIONS) },
      baseline: {
        operations: OPERATIONS,
        run: () => baseline.transferLoop(bench.fd, bench.fileOffset, OPERATIONS),
      },
      close: () => bench.close(),
    };
  },
};

export default laneTrapped64;
