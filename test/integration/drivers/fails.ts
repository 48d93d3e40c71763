import type { DriverContext } from '../../../lib/index.js';

/** Fails in the way that it is told. */
export default async function fails(context: DriverContext): Promise<unknown> {
  const { how } = context.args as { how: string };
  if (how === 'access') return context.region(0).read32(1 << 30);
  if (how === 'region') return context.region(5);
  if (how === 'exit') process.exit(3);
  if (how === 'throw') throw new TypeError('of the driver');
  if (how === 'code') throw Object.assign(new RangeError('with a code'), { code: 'MY_CODE' });
  // What is no error at all, and what structured clone does not carry.
  if (how === 'null') throw Object.create(null);
  if (how === 'cause') throw new Error('of a function', { cause: () => 1 });
  if (how === 'answer') return { of: () => 1 };
  if (how === 'late') return void setTimeout(() => throwNow('late'), 20);
  if (how === 'floating') {
    void Promise.reject(new Error('floating'));
    await new Promise((resolve) => setTimeout(resolve, 5000));
  }
  if (how === 'aborted') {
    void Promise.reject(new DOMException('of the signal', 'AbortError'));
    await new Promise((resolve) => setTimeout(resolve, 5000));
  }
  for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000);
}

function throwNow(message: string): never {
  throw new Error(message);
}
