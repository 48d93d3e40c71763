import { Op } from '../../lib/layout/slot.js';
import type { AsyncLane } from '../../lib/lane/async-lane.js';
import { WorkerPool } from '../../lib/pool/pool.js';
import type { BenchCase } from '../harness/case.js';
import { p99While } from '../fixtures/event-loop.js';
import { openMemoryRegion } from '../fixtures/memory-region.js';

const SIZE = 65_536;
/** Copies in flight on each worker, tens of microseconds each: the worker never waits for the event loop. */
const AT_ONCE = 32;
const LOOK_MS = 500;

/** The event loop submits all copies and takes all answers. Both figures include the timer's own period of 1 ms. */
const eventLoopP99: BenchCase = {
  name: 'event-loop-p99',
  title: "the event loop's delay at p99 with every worker of the default pool saturated",
  comparison: 'every worker saturated with an idle process',
  unit: 'ms',
  barAbove: 1,
  async prepare() {
    const pool = await WorkerPool.start();
    const region = await openMemoryRegion(SIZE, 'mapped');
    const buffer = new SharedArrayBuffer(SIZE);
    const { handle } = region.descriptor;
    const lanes = Array.from({ length: pool.workers }, () => pool.lane());
    return {
      subject: {
        sample: () => p99While(LOOK_MS, (end) => Promise.all(lanes.map((lane) => saturate(lane, handle, buffer, end)))),
      },
      baseline: { sample: () => p99While(LOOK_MS) },
      close: async () => {
        await pool.close();
        await region.close();
      },
    };
  },
};

/** Submits a new copy for each answer until the end. */
function saturate(lane: AsyncLane, handle: number, memory: SharedArrayBuffer, end: number): Promise<void> {
  const [region, buffer] = [lane.addRegion(handle), lane.numberOf(memory)];
  const copy = { op: Op.copyOut, width: 1, region, offset: 0, buffer, length: SIZE };
  return new Promise((resolve, reject) => {
    let pending = 0;
    const submit = (): void => {
      pending++;
      lane.submit(copy, (status) => {
        pending--;
        if (status !== 0) reject(new Error(`a copy failed with status ${status}`));
        else if (Date.now() < end) submit();
        else if (pending === 0) resolve();
      });
    };
    for (let i = 0; i < AT_ONCE; i++) submit();
  });
}

export default eventLoopP99;
