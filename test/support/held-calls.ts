import type { VfioKernel } from '../../lib/kernel/kernel.js';

/** A call that reaches the kernel only after `release`. */
interface HeldCall {
  /** Settles when the call begins to wait. */
  readonly begun: Promise<void>;
  release(): void;
}

/** A kernel that records its calls on devices and can delay them. */
export interface HoldingKernel {
  readonly kernel: VfioKernel;
  /** The names of the calls that reached the kernel, in order. */
  calls: string[];
  /** Delays the next call with this name. */
  hold(name: DeviceCall): HeldCall;
}

type DeviceCall = 'setIrqs' | 'resetDevice' | 'pread' | 'pwrite' | 'close';

const DEVICE_CALLS: ReadonlySet<PropertyKey> = new Set<DeviceCall>([
  'setIrqs',
  'resetDevice',
  'pread',
  'pwrite',
  'close',
]);

/** Wraps a kernel. */
export function holdingKernel(inner: VfioKernel): HoldingKernel {
  const holds = new Map<PropertyKey, { begin: () => void; until: Promise<void> }>();
  const kernel = new Proxy(inner, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== 'function') return value;
      const method = value.bind(target) as (...args: unknown[]) => unknown;
      if (!DEVICE_CALLS.has(name)) return method;
      return async (...args: unknown[]): Promise<unknown> => {
        const held = holds.get(name);
        holds.delete(name);
        held?.begin();
        await held?.until;
        holding.calls.push(String(name));
        return method(...args);
      };
    },
  });
  const holding: HoldingKernel = { kernel, calls: [], hold };
  return holding;

  function hold(name: DeviceCall): HeldCall {
    let begin = (): void => undefined;
    let release = (): void => undefined;
    const begun = new Promise<void>((resolve) => (begin = resolve));
    const until = new Promise<void>((resolve) => (release = resolve));
    holds.set(name, { begin, until });
    return { begun, release };
  }
}
