import type { DriverContext } from '../../../lib/index.js';

/** Fails in the way that it is told. */
export default function fails(context: DriverContext): unknown {
  const { how } = context.args as { how: string };
  if (how === 'access') return context.region(0).read32(1 << 30);
  if (how === 'region') return context.region(5);
  if (how === 'exit') process.exit(3);
  if (how === 'throw') throw new TypeError('of the driver');
  for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000);
}
