import { setImmediate as nextTurn } from 'node:timers/promises';

import { addon } from '../lib/native/addon.js';
import type { IoWorkerHandle } from '../lib/native/lane.js';
import type { ServeTask } from '../lib/pool/io-worker.js';

/**
 * The longest time in native code. It returns earlier if the event loop has something to do, such as `worker.terminate()`. A
 * turn of the event loop takes 100 µs and more, in which no operation is run.
 */
const LONGEST_TURN_MS = 1000;

/**
 * A Piscina task: begins to serve the worker's lanes, and returns. The thread serves until the worker is stopped. An error ends
 * the thread.
 */
export default function serve({ worker, spinMicroseconds, cpus }: ServeTask): void {
  if (cpus !== undefined) addon.threadSetCpus(cpus);
  void serveLanes(worker, spinMicroseconds);
}

/**
 * Serves the lanes. It waits for the event loop before each turn: at first for the answer of the task to be sent, and later
 * because V8 never checks for termination in an optimized loop that only calls native code.
 */
async function serveLanes(worker: IoWorkerHandle, spinMicroseconds: number): Promise<void> {
  do await nextTurn();
  while (addon.workerServe(worker, LONGEST_TURN_MS, spinMicroseconds));
}
