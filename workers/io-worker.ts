import type { ServeTask } from '../lib/pool/io-worker.js';
import { addon } from '../lib/native/addon.js';

/** How long native code keeps the thread at most, so that it can be ended. */
const TURN_MS = 50;

/** A Piscina task that lasts as long as the worker: drains lanes until it is told to stop. */
export default function serve({ worker, spinMicroseconds, started }: ServeTask): void {
  started.postMessage('serving');
  while (addon.workerServe(worker, TURN_MS, spinMicroseconds)) {
    // Between two turns the thread can be terminated.
  }
}
