import { setTimeout as sleep } from 'node:timers/promises';

import { Engine } from '../../lib/engine/engine.js';
import { BAR, REG } from '../../lib/models/testdev/layout.js';
import type { BenchCase } from '../harness/case.js';
import { millisecondsOf } from '../fixtures/percentile.js';

const READS = 512;
/** A worker whose threads live for less than 200 ms is given up. */
const LIFE_MS = 250;

/** The end of an I/O worker's thread that has hundreds of slow operations before it. */
const terminateSlowReads: BenchCase = {
  name: 'terminate-slow-reads',
  title: `terminate() of an I/O worker with ${READS} reads of 1 ms under way`,
  comparison: 'a worker with slow reads with an idle one',
  unit: 'ms',
  barAbove: 50,
  prepare: () =>
    Promise.resolve({
      subject: { sample: () => terminate(READS) },
      baseline: { sample: () => terminate(0) },
      close: () => undefined,
    }),
};

async function terminate(count: number): Promise<number[]> {
  const engine = new Engine({ pool: { workers: 1, laneCapacity: 1024 } });
  try {
    const device = await engine.attach('testdev');
    const registers = device.region(BAR.REGISTERS);
    await registers.write32(REG.DELAY, 1);
    await sleep(LIFE_MS);
    const reads = Array.from({ length: count }, () => registers.read32(REG.SLOW).catch(() => undefined));
    await Promise.race([reads[0], sleep(50)]);
    const [thread] = engine.workerThreads;
    if (thread === undefined) throw new Error('the worker has no thread');
    return [await millisecondsOf(() => thread.terminate())];
  } finally {
    await engine.close();
  }
}

export default terminateSlowReads;
