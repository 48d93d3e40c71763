import { isObject, isUint32, requireBits, requireNumber, requireWhole, shown } from '../base/arguments.js';
import { invalidArgument } from '../base/errors.js';
import { Op, type Operation } from '../layout/slot.js';

const LAST_UINT32 = 0xffff_ffff;

/**
 * Refuses what a slot cannot hold, before any of it is written. What is no access of a region the worker answers with an
 * errno.
 * @throws ERR_INVALID_ARGUMENT
 */
export function requireOperation(operation: Operation): void {
  if (!isObject(operation)) {
    throw invalidArgument(`${shown(operation)} is no operation`, 'give an object with an `op`');
  }
  const { op, width = 0, region = 0, offset = 0, value = 0, mask = 0 } = operation;
  requireWhole('op', op, Op.read, Op.program);
  requireWhole('width', width, 0, 8);
  if (!isUint32(region)) requireWhole('region', region, 0, LAST_UINT32);
  if (!isUint32(offset)) requireWhole('offset', offset, 0);
  if (typeof value !== 'bigint') requireBits('value', value);
  if (typeof mask !== 'bigint') requireBits('mask', mask);
  if (operation.buffer !== undefined) requireMemory(operation);
  if (operation.deadline !== undefined) requireNumber('deadline', operation.deadline, 0, Number.MAX_SAFE_INTEGER);
}

/** Refuses what is no access of up to 32 bits. @throws ERR_INVALID_ARGUMENT */
export function requireAccess(region: number, width: number, offset: number): void {
  if (width !== 4 && width !== 2 && width !== 1) throw invalidArgument(`width is ${shown(width)}`, 'give 1, 2 or 4');
  if (!isUint32(region)) requireWhole('region', region, 0, LAST_UINT32);
  if (!isUint32(offset)) requireWhole('offset', offset, 0);
}

function requireMemory({ buffer = 0, bufferOffset = 0, length = 0 }: Operation): void {
  requireWhole('buffer', buffer, 0, LAST_UINT32);
  requireWhole('bufferOffset', bufferOffset, 0);
  requireWhole('length', length, 0, LAST_UINT32);
}
