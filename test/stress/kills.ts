import { setTimeout as sleep } from 'node:timers/promises';

import type { LaneDescriptor } from '../../lib/lane/descriptor.js';
import { LaneProducer } from '../../lib/lane/lane-producer.js';
import { modelProcesses } from '../support/model-processes.js';
import type { Random } from './random.js';
import type { Shared } from './session.js';

/** The pool gives a worker up whose threads serve for less than 200 ms five times in a row. */
const SHORTEST_LIFE_MS = 220;
/** The lane reaches no region: the worker answers at once. */
const NO_REGION = 0;
const POLL_MS = 2;

/** Terminates threads of the pool at random until the end. All workers serve again afterwards. */
export async function killWorkers({ pool, tally }: Shared, random: Random, end: number): Promise<void> {
  // The pool gives its workers in turn: each lane is another worker's.
  const lanes = Array.from({ length: pool.workers }, () => pool.createLane());
  while (Date.now() < end) {
    for (const lane of lanes) await untilServed(lane);
    await sleep(random(SHORTEST_LIFE_MS, 2 * SHORTEST_LIFE_MS));
    for (const victim of pool.threads) {
      if (random(0, 3) === 0) continue;
      await victim.terminate();
      tally.workersKilled += 1;
    }
  }
  for (const lane of lanes) await untilServed(lane);
  for (const lane of lanes) await pool.closeLane(lane);
}

/** Waits until a worker answers: its thread has started. */
async function untilServed(descriptor: LaneDescriptor): Promise<void> {
  const lane = new LaneProducer(descriptor);
  lane.pushRead(NO_REGION, 4, 0);
  lane.publish();
  while (lane.pending > 0) {
    if (lane.answered > 0) lane.take();
    else await sleep(POLL_MS);
  }
}

/** Kills the processes of models at random until the end. */
export async function killModels(shared: Shared, random: Random, end: number): Promise<void> {
  while (Date.now() < end) {
    await sleep(Math.min(random(1000, 4000), Math.max(0, end - Date.now())));
    for (const pid of modelProcesses()) {
      shared.lastModelDeath = performance.now();
      shared.tally.modelsKilled += 1;
      kill(pid);
    }
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    // It has ended by itself.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
