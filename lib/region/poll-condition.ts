import { argumentError, isObject, LONGEST_WAIT_MS, requireBits, requireNumber } from '../base/arguments.js';
import { requireWidth, type Width } from './access-checks.js';

/** The condition that ends a poll: `(register & mask) === value`. The low bits of both count, as many as `width` has. */
export interface PollCondition {
  /** Bytes of each read. */
  readonly width: Width;
  /** The bits that are compared. */
  readonly mask: number | bigint;
  /** What the bits must be. */
  readonly value: number | bigint;
}

/**
 * Checks a condition and cuts its mask and its value to their low bits.
 * @throws ERR_INVALID_ARGUMENT if `condition` is not an object, its width is wrong, or its mask or value is neither an
 * integer nor a bigint
 */
export function normalizeCondition(condition: PollCondition): PollCondition {
  if (!isObject(condition)) throw argumentError('condition', 'an object { width, mask, value }', condition);
  const { width } = condition;
  requireWidth(width);
  return { width, mask: lowBits('mask', condition.mask, width), value: lowBits('value', condition.value, width) };
}

/** Cuts a value to the bits of an access. A negative number has 32 bits, as in JavaScript's bitwise operators. */
function lowBits(name: string, value: number | bigint, width: Width): number | bigint {
  if (typeof value === 'bigint') {
    const low = BigInt.asUintN(8 * width, value);
    return width === 8 ? low : Number(low);
  }
  requireBits(name, value);
  if (width === 8) return value < 0 ? value >>> 0 : value;
  return width === 4 ? value >>> 0 : value & (width === 2 ? 0xffff : 0xff);
}

/**
 * Converts a timeout.
 * @param timeoutMs milliseconds, 0 to 2,147,483,647
 * @returns microseconds, at least 1
 * @throws ERR_INVALID_ARGUMENT if `timeoutMs` is out of range
 */
export function timeoutMicroseconds(timeoutMs: number): number {
  requireNumber('timeoutMs', timeoutMs, 0, LONGEST_WAIT_MS);
  return Math.max(1, Math.round(timeoutMs * 1000));
}

/**
 * Reads the clock that the deadlines of operations are told in.
 * @returns CLOCK_MONOTONIC, microseconds. Source: process.hrtime
 */
export function monotonicMicroseconds(): number {
  // The pair of numbers costs less than hrtime.bigint().
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1e6 + Math.ceil(nanoseconds / 1000);
}
