import { argumentError, isObject } from '../base/arguments.js';
import type { Sysfs } from '../kernel/sysfs.js';

/**
 * Checks that a caller's `sysfs` has the methods that a function calls.
 * @param methods the methods that it calls
 * @throws ERR_INVALID_ARGUMENT
 */
export function requireSysfs(sysfs: Sysfs, methods: readonly (keyof Sysfs)[]): void {
  if (isObject(sysfs) && methods.every((method) => typeof sysfs[method] === 'function')) return;
  throw argumentError('sysfs', 'the `sysfs` of a SoftwareMachine, or left out', sysfs);
}
