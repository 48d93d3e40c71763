import { isObject, LONGEST_WAIT_MS, requireBits, requireNumber, shown } from '../base/arguments.js';
import { invalidArgument } from '../base/errors.js';
import { checkWidth, type Width } from './checks.js';

/** @param timeoutMs milliseconds, 0 to 2,147,483,647 @returns microseconds, at least 1. @throws ERR_INVALID_ARGUMENT */
export function waitMicroseconds(timeoutMs: number): number {
  requireNumber('timeoutMs', timeoutMs, 0, LONGEST_WAIT_MS);
  return Math.max(1, Math.round(timeoutMs * 1000));
}

/** Refuses what is no bigint; of one the low 64 bits count. @throws ERR_INVALID_ARGUMENT */
export function requireLongBits(name: string, value: bigint): void {
  if (typeof value === 'bigint') return;
  throw invalidArgument(`${name} is ${shown(value)}`, 'give a bigint: its low 64 bits count');
}

/**
 * Gives the low bits of a value, as many as an access of the width has. A number below 0 has the 32 that JavaScript's bitwise
 * operators give, in an access of 8 bytes too.
 * @throws ERR_INVALID_ARGUMENT for what is neither a bigint nor a whole number
 */
function lowBits(name: string, value: number | bigint, width: Width): number | bigint {
  if (typeof value === 'bigint') {
    const low = BigInt.asUintN(8 * width, value);
    return width === 8 ? low : Number(low);
  }
  requireBits(name, value);
  if (width === 8) return value < 0 ? value >>> 0 : value;
  return width === 4 ? value >>> 0 : value & (width === 2 ? 0xffff : 0xff);
}

/** What a poll waits for: `(what was read & mask) === value`. */
export interface PollCondition {
  readonly width: Width;
  readonly mask: number | bigint;
  readonly value: number | bigint;
}

/** Gives a condition of which no more than the low bits are left. @throws ERR_INVALID_ARGUMENT */
export function pollBits(condition: PollCondition): PollCondition {
  if (!isObject(condition)) {
    throw invalidArgument(`the condition is ${shown(condition)}`, 'give { width, mask, value }');
  }
  const { width } = condition;
  checkWidth(width);
  return { width, mask: lowBits('mask', condition.mask, width), value: lowBits('value', condition.value, width) };
}
