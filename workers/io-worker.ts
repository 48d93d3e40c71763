import { setImmediate as nextTurn } from 'node:timers/promises';

import { addon } from '../lib/native/addon.js';
import type { ServeTask } from '../lib/pool/io-worker.js';

/** The longest time in native code. `worker.terminate()` ends a thread only when it returns to JavaScript. */
const LONGEST_TURN_MS = 50;

/**
 * A Piscina task: serves the worker's lanes until the worker is stopped. Between two turns it waits for the event loop,
 * because V8 never checks for termination in an optimized loop that only calls native code.
 */
export default async function serve({ worker, spinMicroseconds, cpus, started }: ServeTask): Promise<void> {
  if (cpus !== undefined) addon.threadSetCpus(cpus);
  started.postMessage('serving');
  while (addon.workerServe(worker, LONGEST_TURN_MS, spinMicroseconds)) await nextTurn();
}
