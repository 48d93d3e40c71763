import { invalidArgument, type VfioError } from './errors.js';

const LAST_UINT64 = (1n << 64n) - 1n;
const LAST_FD = 0x7fffffff;

/** The longest time that a timer of Node.js takes, milliseconds. It fires a longer one after 1 ms. */
export const LONGEST_WAIT_MS = 0x7fffffff;

/**
 * Makes the error for an argument of the wrong type or value.
 * @param name the argument as the caller writes it, such as `width` or `trap[1]`
 * @param requirement completes "must be ...", such as `1, 2, 4 or 8`
 */
export function argumentError(name: string, requirement: string, received: unknown): VfioError {
  return invalidArgument(`\`${name}\` must be ${requirement}. Received ${shown(received)}`);
}

/**
 * Checks that a value is an integer within bounds.
 * @param low the least value allowed
 * @param high the greatest value allowed; default the greatest safe integer
 * @throws ERR_INVALID_ARGUMENT
 */
export function requireInteger(name: string, value: number, low: number, high = Number.MAX_SAFE_INTEGER): void {
  if (Number.isSafeInteger(value) && value >= low && value <= high) return;
  const atLeast = low === Number.MIN_SAFE_INTEGER ? 'an integer' : `an integer of at least ${low}`;
  const bounds = high === Number.MAX_SAFE_INTEGER ? atLeast : `an integer from ${low} to ${high}`;
  throw argumentError(name, bounds, value);
}

/**
 * Checks that a value is a safe integer. A register takes its low bits, so any integer is valid: -1, or `~0`, sets all bits.
 * @throws ERR_INVALID_ARGUMENT
 */
export function requireBits(name: string, value: number): void {
  if (isUint32(value) || Number.isSafeInteger(value)) return;
  throw argumentError(name, 'an integer', value);
}

/** Checks that a value is a number within bounds. Fractions are valid. @throws ERR_INVALID_ARGUMENT */
export function requireNumber(name: string, value: number, low: number, high: number): void {
  if (typeof value === 'number' && value >= low && value <= high) return;
  throw argumentError(name, `a number from ${low} to ${high}`, value);
}

/** Checks that a value is a bigint of 64 bits without a sign. @throws ERR_INVALID_ARGUMENT */
export function requireUint64(name: string, value: bigint): void {
  if (typeof value === 'bigint' && value >= 0n && value <= LAST_UINT64) return;
  throw argumentError(name, 'a bigint from 0n to 2n ** 64n - 1n', value);
}

/** Checks that a value is one of a list. @throws ERR_INVALID_ARGUMENT */
export function requireOneOf<T>(name: string, value: T, allowed: readonly T[]): void {
  if (allowed.includes(value)) return;
  const shownOnes = allowed.map(shown);
  throw argumentError(name, `${shownOnes.slice(0, -1).join(', ')} or ${shownOnes.at(-1)}`, value);
}

/** Checks that a value is true, false or undefined. @throws ERR_INVALID_ARGUMENT */
export function requireBoolean(name: string, value: boolean | undefined): void {
  if (value !== undefined && typeof value !== 'boolean') throw argumentError(name, 'true or false', value);
}

/** Checks that a value is a string. @throws ERR_INVALID_ARGUMENT */
export function requireString(name: string, value: string): void {
  if (typeof value !== 'string') throw argumentError(name, 'a string', value);
}

/**
 * Checks that a value is a file descriptor.
 * @param low -1 where -1 means no descriptor
 * @throws ERR_INVALID_ARGUMENT
 */
export function requireFd(name: string, value: number, low: 0 | -1 = 0): void {
  if (Number.isSafeInteger(value) && value >= low && value <= LAST_FD) return;
  throw argumentError(name, low === -1 ? 'a file descriptor, or -1 for none' : 'a file descriptor', value);
}

/** Checks that a value is an array. @throws ERR_INVALID_ARGUMENT */
export function requireArray(name: string, value: readonly unknown[]): void {
  if (!Array.isArray(value)) throw argumentError(name, 'an array', value);
}

/** Checks that a value is a function. @throws ERR_INVALID_ARGUMENT */
export function requireFunction(name: string, value: unknown): void {
  if (typeof value !== 'function') throw argumentError(name, 'a function', value);
}

/** Checks that a value is an AbortSignal or undefined. @throws ERR_INVALID_ARGUMENT */
export function requireSignal(value: AbortSignal | undefined): void {
  if (value !== undefined && !(value instanceof AbortSignal)) throw argumentError('signal', 'an AbortSignal', value);
}

/** Checks that a value is an object. null is not an object. @throws ERR_INVALID_ARGUMENT */
export function requireObject(name: string, value: unknown): void {
  if (!isObject(value)) throw argumentError(name, 'an object', value);
}

/** Checks that `options` is an object. @throws ERR_INVALID_ARGUMENT */
export function requireOptions(value: unknown): void {
  requireObject('options', value);
}

/** Shows any value in an error's message; a string in quotes and a bigint with its n, so that neither looks like a number. */
export function shown(value: unknown): string {
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'string') return `'${value}'`;
  if (typeof value === 'symbol' || typeof value === 'function') return `a ${typeof value}`;
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'an array' : 'an object';
  return String(value);
}

/** Tells whether a value is an object (arrays are), and not null. */
export function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

/** Tells whether a number is a power of two. The logarithm alone is not exact enough for large numbers. */
export function isPowerOfTwo(value: number): boolean {
  return Number.isSafeInteger(value) && value > 0 && 2 ** Math.round(Math.log2(value)) === value;
}

/**
 * Tells whether a value is an integer of 32 bits without a sign: what most offsets and values are. Hot paths ask this first:
 * it costs less than a call of a check, and the operator sees neither a symbol nor a bigint, which it cannot take.
 */
export function isUint32(value: unknown): value is number {
  return typeof value === 'number' && value >>> 0 === value;
}
