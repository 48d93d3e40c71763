import type { VfioKernel } from '../../lib/kernel/kernel.js';

/** Far above the descriptors of a software machine. */
const FIRST = 100_000;

/** A kernel that gives a device the lowest number that is free, as Linux does. The software core never gives one again. */
export function reusingKernel(inner: VfioKernel): VfioKernel {
  const open = new Map<number, number>();
  return new Proxy(inner, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== 'function') return value;
      const method = value.bind(target) as (...args: unknown[]) => unknown;
      return (fd: unknown, ...args: unknown[]): unknown => {
        const known = typeof fd === 'number' && fd >= FIRST ? (open.get(fd) ?? -1) : fd;
        if (name === 'close') open.delete(fd as number);
        const result = method(known, ...args);
        return name === 'getDeviceFd' ? (result as Promise<number>).then((got) => lowest(open, got)) : result;
      };
    },
  });
}

function lowest(open: Map<number, number>, fd: number): number {
  let free = FIRST;
  while (open.has(free)) free += 1;
  open.set(free, fd);
  return free;
}
