import { setTimeout as sleep } from 'node:timers/promises';
import type { Worker } from 'node:worker_threads';

import { modelProcesses } from '../support/model-processes.js';
import type { Random } from './random.js';
import type { Shared } from './session.js';

/** The pool gives a worker up whose threads live for less than 200 ms five times in a row. */
const SHORTEST_LIFE_MS = 250;

/** Terminates threads of the pool at random until the end. */
export async function killWorkers({ pool, tally }: Shared, random: Random, end: number): Promise<void> {
  const since = new Map<Worker, number>();
  while (Date.now() < end) {
    await sleep(random(20, 200));
    for (const thread of pool.threads) if (!since.has(thread)) since.set(thread, Date.now());
    const old = pool.threads.filter((thread) => Date.now() - (since.get(thread) ?? 0) > SHORTEST_LIFE_MS);
    const victim = old[random(0, Math.max(0, old.length - 1))];
    if (victim === undefined) continue;
    since.delete(victim);
    await victim.terminate();
    tally.workersKilled += 1;
  }
}

/** Kills the processes of models at random until the end. */
export async function killModels(shared: Shared, random: Random, end: number): Promise<void> {
  while (Date.now() < end) {
    await sleep(Math.min(random(300, 2500), Math.max(0, end - Date.now())));
    for (const pid of modelProcesses()) {
      shared.modelDeaths += 1;
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
