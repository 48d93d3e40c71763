// A thread that counts a vector's interrupts until the vector is turned off. It then sends the code of the error.
import { parentPort, workerData } from 'node:worker_threads';

import { VfioError } from '../../lib/base/errors.js';
import { type IrqDescriptor, IrqWaiter } from '../../lib/irq/waiter.js';

/** The thread's workerData. */
export interface IrqThreadData {
  readonly descriptor: IrqDescriptor;
  /** `wait` blocks the thread; `next` does not. */
  readonly way: 'wait' | 'next';
  /** Element 0 is the number of interrupts so far. */
  readonly counts: Int32Array<SharedArrayBuffer>;
}

const { descriptor, way, counts } = workerData as IrqThreadData;
const waiter = new IrqWaiter(descriptor);
try {
  for (;;) {
    const count = way === 'wait' ? waiter.wait({ timeoutMs: 20_000 }) : await waiter.next({ timeoutMs: 20_000 });
    Atomics.add(counts, 0, count);
    Atomics.notify(counts, 0);
  }
} catch (error) {
  parentPort?.postMessage(error instanceof VfioError ? error.code : String(error));
} finally {
  waiter.close();
}
