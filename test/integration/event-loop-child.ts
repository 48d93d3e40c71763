import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';

import { WorkerPool } from '../../lib/pool/pool.js';
import { type MemoryRegion, memoryRegion } from '../support/memory-region.js';

/** What the process answers, milliseconds and operations. */
export interface DelayReport {
  readonly idle: number;
  readonly saturated: number;
  readonly operations: number;
}

const SIZE = 65_536;
/** Each keeps a worker busy for tens of microseconds: a few at a time leave it nothing to wait for. */
const AT_ONCE = 32;
const SECONDS = 2;
const NS_PER_MS = 1e6;

const pool = await WorkerPool.start({ workers: Number(process.argv[2]) });
const idle = await p99While(() => sleep(SECONDS * 1000));
const counts = { operations: 0 };
const lanes = Array.from({ length: pool.workers }, () => pool.lane());
const regions = await Promise.all(lanes.map((lane) => memoryRegion(lane, { size: SIZE })));
const saturated = await p99While(async () => {
  const end = Date.now() + SECONDS * 1000;
  await Promise.all(regions.flatMap((region) => Array.from({ length: AT_ONCE }, () => copyUntil(region, end))));
});
for (const region of regions) await region.close();
await pool.close();
process.send?.({ idle, saturated, ...counts } satisfies DelayReport);
process.disconnect?.();

async function copyUntil({ region }: MemoryRegion, end: number): Promise<void> {
  const buffer = new SharedArrayBuffer(SIZE);
  while (Date.now() < end) {
    await region.copyToBuffer(0, SIZE, buffer, 0, 1);
    counts.operations++;
  }
}

/** The 99th percentile of the loop's delay while something goes on. */
async function p99While(work: () => Promise<unknown>): Promise<number> {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  await work();
  delay.disable();
  return delay.percentile(99) / NS_PER_MS;
}
