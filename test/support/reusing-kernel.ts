import type { VfioKernel } from '../../lib/kernel/kernel.js';

/** The first number, above all descriptors of a software machine. */
const FIRST = 100_000;

/** Wraps a kernel so that a new device gets the lowest free number, as on Linux. The software core never reuses a number. */
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
