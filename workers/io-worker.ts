import { setImmediate as nextTurn } from 'node:timers/promises';

import { addon } from '../lib/native/addon.js';
import type { ServeTask } from '../lib/pool/io-worker.js';

/** How long native code keeps the thread at most, so that it can be ended. */
const TURN_MS = 50;

/**
 * A Piscina task that lasts as long as the thread: drains lanes until it is told to stop. Between two turns it goes
 * through the event loop: an optimized loop that only calls native code never looks whether its thread is to end.
 */
export default async function serve({ worker, spinMicroseconds, cpus, started }: ServeTask): Promise<void> {
  if (cpus !== undefined) addon.threadSetCpus(cpus);
  started.postMessage('serving');
  while (addon.workerServe(worker, TURN_MS, spinMicroseconds)) await nextTurn();
}
