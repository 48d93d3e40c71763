import { invalidArgument } from './errors.js';

const LAST_UINT64 = (1n << 64n) - 1n;

/** Node.js takes a longer timer for one of 1 ms. */
export const LONGEST_WAIT_MS = 0x7fffffff;

/** Refuses what is not a whole number within bounds. @throws ERR_INVALID_ARGUMENT */
export function requireWhole(name: string, value: number, low: number, high = Number.MAX_SAFE_INTEGER): void {
  if (Number.isSafeInteger(value) && value >= low && value <= high) return;
  const range = high === Number.MAX_SAFE_INTEGER ? `from ${low} on` : `from ${low} to ${high}`;
  throw invalidArgument(`${name} is ${shown(value)}`, `give a whole number ${range}`);
}

/**
 * Refuses what is not a whole number. Of one the low bits count, however large it is: -1 is all ones, as in `~0`.
 * @throws ERR_INVALID_ARGUMENT
 */
export function requireBits(name: string, value: number): void {
  if (isUint32(value) || Number.isSafeInteger(value)) return;
  throw invalidArgument(`${name} is ${shown(value)}`, 'give a whole number: its low bits count');
}

/** Refuses what is not a number within bounds; a fraction is one. @throws ERR_INVALID_ARGUMENT */
export function requireNumber(name: string, value: number, low: number, high: number): void {
  if (typeof value === 'number' && value >= low && value <= high) return;
  throw invalidArgument(`${name} is ${shown(value)}`, `give a number from ${low} to ${high}`);
}

/** Refuses what is not a bigint of 64 bits: callers of plain JavaScript give numbers. @throws ERR_INVALID_ARGUMENT */
export function requireUint64(name: string, value: bigint): void {
  if (typeof value === 'bigint' && value >= 0n && value <= LAST_UINT64) return;
  throw invalidArgument(`${name} is ${shown(value)}`, 'give a bigint from 0n to 2n ** 64n - 1n');
}

/** Refuses what is none of the names that there are. @throws ERR_INVALID_ARGUMENT */
export function requireOneOf(name: string, value: string, names: readonly string[]): void {
  if (names.includes(value)) return;
  throw invalidArgument(`${name} is ${shown(value)}`, `give one of ${names.join(', ')}`);
}

/** Refuses what is neither true nor false nor left out. @throws ERR_INVALID_ARGUMENT */
export function requireBoolean(name: string, value: boolean | undefined): void {
  if (value === undefined || typeof value === 'boolean') return;
  throw invalidArgument(`${name} is ${shown(value)}`, 'give true or false');
}

/** Refuses what is no text. @throws ERR_INVALID_ARGUMENT */
export function requireText(name: string, value: string): void {
  if (typeof value !== 'string') throw invalidArgument(`${name} is ${shown(value)}`, 'give a string');
}

/** Refuses what is no file descriptor; -1 is one where it stands for none. @throws ERR_INVALID_ARGUMENT */
export function requireFd(name: string, value: number, low: 0 | -1 = 0): void {
  requireWhole(name, value, low, 0x7fffffff);
}

/** Refuses what is no array. @throws ERR_INVALID_ARGUMENT */
export function requireArray(name: string, value: readonly unknown[]): void {
  if (!Array.isArray(value)) throw invalidArgument(`${name} is ${shown(value)}`, 'give an array');
}

/** Refuses what is no function. @throws ERR_INVALID_ARGUMENT */
export function requireFunction(name: string, value: unknown): void {
  if (typeof value !== 'function') throw invalidArgument(`${name} is ${shown(value)}`, 'give a function');
}

/** Refuses what is no signal, before anything is begun that it is to stop. @throws ERR_INVALID_ARGUMENT */
export function requireSignal(value: AbortSignal | undefined): void {
  if (value === undefined || value instanceof AbortSignal) return;
  throw invalidArgument(`signal is ${shown(value)}`, 'give the `signal` of an AbortController');
}

/** Refuses what is no object, as null is none. @throws ERR_INVALID_ARGUMENT */
export function requireObject(name: string, value: unknown): void {
  if (!isObject(value)) throw invalidArgument(`${name} is ${shown(value)}`, 'give an object');
}

/** Refuses options that are none, as null is. @throws ERR_INVALID_ARGUMENT */
export function requireOptions(value: unknown): void {
  if (isObject(value)) return;
  throw invalidArgument(`the options are ${shown(value)}`, 'give an object, or leave them out');
}

/** Any value as an error's message shows it: with its type where two look alike. */
export function shown(value: unknown): string {
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'string') return `'${value}'`;
  if (typeof value === 'symbol' || typeof value === 'function') return `a ${typeof value}`;
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'an array' : 'an object';
  return String(value);
}

/** Tells an object, an array among them, from null and all else. */
export function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

/** Tells 1, 2, 4 and so on; the logarithm alone would tell large numbers beside them, too. */
export function isPowerOfTwo(value: number): boolean {
  return Number.isSafeInteger(value) && value > 0 && 2 ** Math.round(Math.log2(value)) === value;
}

/**
 * Tells the numbers that most offsets and values are, for hot paths: looking costs less than a call, and neither a symbol
 * nor a bigint, which no operator may meet, gets to one.
 */
export function isUint32(value: unknown): value is number {
  return typeof value === 'number' && value >>> 0 === value;
}
