import type { DriverContext } from '../../../lib/index.js';

/** Adds itself to those who run, and waits until it is told to end; gives how many ran then. */
export default function waits(context: DriverContext): number {
  const [running, end] = [0, 1];
  const words = new Int32Array(context.buffers['words'] as SharedArrayBuffer);
  const count = Atomics.add(words, running, 1) + 1;
  Atomics.wait(words, end, 0, 20_000);
  Atomics.sub(words, running, 1);
  return count;
}
