import { once } from 'node:events';
import { Worker } from 'node:worker_threads';

import { addon } from '../../lib/native/addon.js';
import type { DeviceIrq } from '../../lib/irq/device-irq.js';
import type { IrqThreadData } from './irq-thread.js';

/** The ways to receive interrupts. */
export const WAYS = ['handler', 'counts', 'eventfd', 'thread'] as const;
export type Way = (typeof WAYS)[number];

/** Turns vectors on and off, each with its own way of delivery, and counts the interrupts. */
export class IrqCounters {
  readonly #irq: DeviceIrq;
  readonly #stops = new Map<number, () => number | Promise<number>>();
  /** The interrupts of the vectors that have been turned off again. */
  total = 0;

  constructor(irq: DeviceIrq) {
    this.#irq = irq;
  }

  get on(): number[] {
    return [...this.#stops.keys()];
  }

  async enable(vector: number, way: Way): Promise<void> {
    this.#stops.set(vector, await this.#start(vector, way));
  }

  async disable(vector: number): Promise<void> {
    const stop = this.#stops.get(vector);
    this.#stops.delete(vector);
    await this.#irq.disable([vector]);
    if (stop !== undefined) this.total += await stop();
  }

  async #start(vector: number, way: Way): Promise<() => number | Promise<number>> {
    const vectors = [vector];
    let count = 0;
    if (way === 'handler') {
      await this.#irq.enable({ vectors, handler: (_, more) => void (count += more) });
      return () => count;
    }
    if (way === 'counts') {
      const counts = new Int32Array(new SharedArrayBuffer(4 * this.#irq.count));
      await this.#irq.enable({ vectors, counts });
      return () => Atomics.load(counts, vector);
    }
    if (way === 'eventfd') {
      const eventfd = addon.eventfdCreate();
      await this.#irq.enable({ vectors, eventfds: new Map([[vector, eventfd]]) });
      return () => {
        count = addon.eventfdRead(eventfd);
        addon.closeFdSync(eventfd);
        return count;
      };
    }
    await this.#irq.enable({ vectors, delivery: 'eventfd' });
    const counts = new Int32Array(new SharedArrayBuffer(4));
    const workerData: IrqThreadData = { descriptor: this.#irq.descriptor(vector), way: 'wait', counts };
    const thread = new Worker(new URL('./irq-thread.js', import.meta.url), { workerData });
    const exit = once(thread, 'exit');
    return async () => {
      await exit;
      return Atomics.load(counts, 0);
    };
  }
}
