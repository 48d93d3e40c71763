import { argumentError, isObject, isUint32, requireBits, requireNumber, requireInteger } from '../base/arguments.js';
import { Op, type Operation } from '../layout/slot.js';

const LAST_UINT32 = 0xffff_ffff;

/**
 * Rejects an operation that does not fit into a slot, before any of it is written. The worker checks the access itself
 * against the region, and answers a bad one with an errno.
 * @throws ERR_INVALID_ARGUMENT if `operation` is not an object, or names the first member that is out of range
 */
export function requireOperation(operation: Operation): void {
  if (!isObject(operation)) throw argumentError('operation', 'an object with an `op`', operation);
  const { op, width = 0, region = 0, offset = 0, value = 0, mask = 0 } = operation;
  requireInteger('op', op, Op.read, Op.program);
  requireInteger('width', width, 0, 8);
  requirePlace(region, offset);
  if (typeof value !== 'bigint') requireBits('value', value);
  if (typeof mask !== 'bigint') requireBits('mask', mask);
  if (operation.buffer !== undefined) requireCopyMemory(operation);
  if (operation.deadline !== undefined) requireNumber('deadline', operation.deadline, 0, Number.MAX_SAFE_INTEGER);
}

/**
 * Rejects an access of up to 32 bits that does not fit into a slot.
 * @param region the region's number in the lane
 * @param width bytes
 * @param offset bytes
 * @throws ERR_INVALID_ARGUMENT
 */
export function requireShortAccess(region: number, width: number, offset: number): void {
  if (width !== 4 && width !== 2 && width !== 1) throw argumentError('width', '1, 2 or 4', width);
  requirePlace(region, offset);
}

function requirePlace(region: number, offset: number): void {
  if (!isUint32(region)) requireInteger('region', region, 0, LAST_UINT32);
  if (!isUint32(offset)) requireInteger('offset', offset, 0);
}

function requireCopyMemory({ buffer = 0, bufferOffset = 0, length = 0 }: Operation): void {
  requireInteger('buffer', buffer, 0);
  requireInteger('bufferOffset', bufferOffset, 0);
  requireInteger('length', length, 0, LAST_UINT32);
}
