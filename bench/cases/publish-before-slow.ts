import { quantile } from 'simple-statistics';

import { Engine } from '../../lib/engine/engine.js';
import { LaneProducer } from '../../lib/lane/lane-producer.js';
import { BAR, REG } from '../../lib/models/testdev/layout.js';
import { WorkerPool } from '../../lib/pool/pool.js';
import type { BenchCase } from '../harness/case.js';
import { expectEqual } from '../fixtures/memory-region.js';

const QUICK = 7;
/** The p99 of fewer batches is their slowest or their second. */
const BATCHES = 1000;
const SLOW_MS = 2;
const MANY = 64;

/** Seven reads of memory, published together with a read behind them that takes milliseconds. */
const publishBeforeSlow: BenchCase = {
  name: 'publish-before-slow',
  title: `the answers of ${QUICK} quick reads at p99, with a read of ${SLOW_MS} ms behind them`,
  comparison: 'with a slow read behind them with without',
  unit: 'us',
  barAbove: 100,
  async prepare() {
    const pool = await WorkerPool.start({ workers: 1, laneCapacity: 128 });
    const engine = new Engine({ pool });
    const device = await engine.attach('testdev');
    await device.region(BAR.REGISTERS).write32(REG.DELAY, SLOW_MS);
    const descriptor = pool.createLane();
    const memory = pool.addRegion(descriptor, device.region(BAR.MEMORY));
    const registers = pool.addRegion(descriptor, device.region(BAR.REGISTERS));
    const lane = new LaneProducer(descriptor);
    const sample = (slow: boolean) => (): number[] => {
      const costs = Array.from({ length: BATCHES }, () => quickBatch(lane, memory, slow ? registers : undefined));
      return [quantile(costs, 0.99)];
    };
    return {
      subject: { sample: sample(true) },
      baseline: { sample: sample(false) },
      close: async () => {
        await engine.close();
        await pool.close();
      },
    };
  },
};

/** @param slow the number of the region with the slow register @returns microseconds until the quick reads are answered */
function quickBatch(lane: LaneProducer, memory: number, slow: number | undefined): number {
  // After many quick operations, the worker publishes their answers by eights.
  for (let i = 0; i < MANY; i++) lane.pushRead(memory, 4, 0);
  lane.publish();
  take(lane, MANY);
  for (let i = 0; i < QUICK; i++) lane.pushRead(memory, 4, 4 * i);
  if (slow !== undefined) lane.pushRead(slow, 4, REG.SLOW);
  const begun = performance.now();
  lane.publish();
  while (lane.answered < QUICK);
  const took = (performance.now() - begun) * 1000;
  take(lane, lane.pending);
  return took;
}

function take(lane: LaneProducer, count: number): void {
  for (let taken = 0; taken < count; taken++) {
    while (lane.answered === 0);
    expectEqual('the status of a read', lane.slots.status(lane.take()), 0);
  }
}

export default publishBeforeSlow;
