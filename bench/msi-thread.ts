// The waiting worker of the cases of messages: notes when its next statement runs.
import { workerData } from 'node:worker_threads';

import { type IrqDescriptor, IrqWaiter } from '../lib/irq/waiter.js';
import { addon } from '../lib/native/addon.js';

/** What the thread is given. */
export interface MsiThreadData {
  readonly descriptor: IrqDescriptor;
  readonly cpu: number;
  /** STATE.wanted: whether it is to wait; STATE.waits: whether it does; STATE.count: what came. */
  readonly state: Int32Array<SharedArrayBuffer>;
  readonly taken: BigInt64Array<SharedArrayBuffer>;
}

export const STATE = { wanted: 0, waits: 1, count: 2 } as const;
/** Of `wanted`: the thread is to end. */
export const END = 2;

if (workerData !== null) serve(workerData as MsiThreadData);

function serve({ descriptor, cpu, state, taken }: MsiThreadData): void {
  addon.threadSetCpus([cpu]);
  const waiter = new IrqWaiter(descriptor);
  for (;;) {
    Atomics.wait(state, STATE.wanted, 0);
    if (Atomics.load(state, STATE.wanted) === END) break;
    Atomics.store(state, STATE.waits, 1);
    while (Atomics.load(state, STATE.wanted) === 1) {
      waiter.wait();
      taken[0] = process.hrtime.bigint();
      Atomics.add(state, STATE.count, 1);
    }
    Atomics.store(state, STATE.waits, 0);
  }
  waiter.close();
}
