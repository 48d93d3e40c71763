import { once } from 'node:events';
import { writeSync } from 'node:fs';
import { Worker } from 'node:worker_threads';

import type { IrqDescriptor } from '../lib/irq/waiter.js';
import { addon } from '../lib/native/addon.js';
import { baseline } from './baseline.js';
import type { PreparedCase } from './case.js';
import { END, type MsiThreadData, STATE } from './msi-thread.js';

const SAMPLES = 300;
/** Long enough for the waiting thread to sleep, as one does that waits for a device. */
const GAP_NS = 200_000;
const PATIENCE_NS = 5_000_000_000n;

/** A device that sends messages. */
export interface MsiSource {
  readonly eventfd: number;
  readonly descriptor: IrqDescriptor;
  /** The register whose write sends one; without it the eventfd is written, as the kernel does it. */
  readonly register?: Uint32Array<SharedArrayBuffer>;
  close(): Promise<void>;
}

/** Both sides: a JavaScript thread that waits by an IrqWaiter, and one of C's in read(2), on the same CPUs. */
export function prepareMsi(source: MsiSource): PreparedCase {
  const cpus = addon.threadCpus();
  const [own, cpu] = [cpus[0] as number, (cpus[1] ?? cpus[0]) as number];
  const state = new Int32Array(new SharedArrayBuffer(12));
  const taken = new BigInt64Array(new SharedArrayBuffer(8));
  const workerData: MsiThreadData = { descriptor: source.descriptor, cpu, state, taken };
  const thread = new Worker(new URL('./msi-thread.js', import.meta.url), { workerData });
  addon.threadSetCpus([own]);
  const send = sender(source);
  return {
    subject: () => {
      want(state, 1);
      until(() => Atomics.load(state, STATE.waits) === 1);
      const costs = Array.from({ length: SAMPLES }, () => measure(send, state, taken));
      Atomics.store(state, STATE.wanted, 0);
      send();
      until(() => Atomics.load(state, STATE.waits) === 0);
      return costs;
    },
    baseline: () => {
      const register =
        source.register === undefined ? null : new Uint8Array(source.register.buffer, source.register.byteOffset);
      return [...baseline.msiLatency(source.eventfd, register, SAMPLES, GAP_NS, cpu)].map((ns) => ns / 1000);
    },
    close: async () => {
      const ended = once(thread, 'exit');
      want(state, END);
      await ended;
      addon.threadSetCpus(cpus);
      await source.close();
    },
  };
}

function sender({ eventfd, register }: MsiSource): () => void {
  if (register !== undefined) {
    return () => {
      register[0] = 1;
    };
  }
  const one = new BigUint64Array([1n]);
  return () => void writeSync(eventfd, one);
}

function measure(send: () => void, state: Int32Array, taken: BigInt64Array): number {
  const gap = process.hrtime.bigint() + BigInt(GAP_NS);
  while (process.hrtime.bigint() < gap);
  const before = Atomics.load(state, STATE.count);
  const start = process.hrtime.bigint();
  send();
  until(() => Atomics.load(state, STATE.count) !== before);
  return Number((taken[0] as bigint) - start) / 1000;
}

function want(state: Int32Array<SharedArrayBuffer>, value: number): void {
  Atomics.store(state, STATE.wanted, value);
  Atomics.notify(state, STATE.wanted);
}

function until(holds: () => boolean): void {
  for (const end = process.hrtime.bigint() + PATIENCE_NS; !holds();) {
    if (process.hrtime.bigint() > end) throw new Error('a message did not come');
  }
}
