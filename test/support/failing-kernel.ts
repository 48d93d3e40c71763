import { systemError } from '../../lib/base/errors.js';
import type { IommufdKernel } from '../../lib/kernel/iommufd.js';
import type { VfioKernel } from '../../lib/kernel/kernel.js';
import type { ErrnoName } from '../../lib/uapi/errno.js';

/** A kernel that records its calls and fails one of them. */
export interface FailingKernel {
  readonly kernel: VfioKernel;
  /** The names of the calls since the last `arm`. */
  readonly calls: readonly string[];
  /** Makes the call with this number fail, counted from now on; the first is 0. Undefined: no call fails. */
  arm(failing: number | undefined, errno: ErrnoName): void;
}

/** Calls that do not use the kernel's state. A sweep that counted them would only repeat itself. */
const NOT_CALLS = new Set(['ioTarget', 'resolveName', 'watchRemoval', 'exit']);

/** Calls that return a value instead of a promise, and throw. */
const SYNCHRONOUS = new Set<string>([
  'getApiVersion',
  'checkExtension',
  'getIommuInfo',
  'getGroupStatus',
  'getDeviceInfo',
  'getRegionInfo',
  'getIrqInfo',
  'allocIoas',
  'getIovaRanges',
  'allowIovas',
  'getOption',
  'setOption',
  'getHwInfo',
] satisfies (keyof VfioKernel | keyof IommufdKernel)[]);

/**
 * Wraps a kernel. A failing call does not reach the kernel, except `close`: a close(2) that fails closes the descriptor too.
 */
export function failingKernel(inner: VfioKernel): FailingKernel {
  const state = { calls: [] as string[], failing: undefined as number | undefined, errno: 'EIO' as ErrnoName };
  const kernel = new Proxy(inner, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== 'function' || typeof name !== 'string') return value;
      const method = value.bind(target) as (...args: unknown[]) => unknown;
      if (NOT_CALLS.has(name)) return method;
      return (...args: unknown[]) => call(state, name, method, args);
    },
  });
  return {
    kernel,
    get calls() {
      return state.calls;
    },
    arm(failing, errno) {
      state.calls = [];
      state.failing = failing;
      state.errno = errno;
    },
  };
}

function call(
  state: { calls: string[]; failing: number | undefined; errno: ErrnoName },
  name: string,
  method: (...args: unknown[]) => unknown,
  args: unknown[],
): unknown {
  const fails = state.calls.length === state.failing;
  state.calls.push(name);
  if (!fails) return method(...args);
  const error = systemError(state.errno, `failing(${name})`);
  if (SYNCHRONOUS.has(name)) throw error;
  if (name !== 'close') return Promise.reject(error);
  return Promise.resolve(method(...args)).then(() => {
    throw error;
  });
}
