import { argumentError } from '../base/arguments.js';
import { invalidArgument, VfioError } from '../base/errors.js';
import type { RegionDescriptor } from './descriptor.js';

/** The width of an access, bytes. */
export type Width = 1 | 2 | 4 | 8;

/** Names a region in an error's message. */
function regionLabel(region: RegionDescriptor): string {
  return `region ${region.regionIndex} of ${region.device}`;
}

/** Names a place in a region in an error's message. */
export function placeName(region: RegionDescriptor, offset: number): string {
  return `${regionLabel(region)} at 0x${offset.toString(16)}`;
}

/** Rejects a width that is not 1, 2, 4 or 8. @throws ERR_INVALID_ARGUMENT */
export function requireWidth(width: number): void {
  if (width === 1 || width === 2 || width === 4 || width === 8) return;
  throw argumentError('width', '1, 2, 4 or 8', width);
}

/** Rejects a value that is not a bigint. Any bigint is valid: its low 64 bits are written. @throws ERR_INVALID_ARGUMENT */
export function requireLongBits(name: string, value: bigint): void {
  if (typeof value !== 'bigint') throw argumentError(name, 'a bigint', value);
}

/**
 * Checks an access before it is made.
 * @param offset bytes into the region
 * @param width bytes of one access
 * @param length bytes of all accesses
 * @throws ERR_OUT_OF_RANGE if the access reaches beyond the region; ERR_INVALID_ARGUMENT if the width is wrong, if the
 * offset or the length is not a multiple of the width, or if one of them is not a number; ERR_NOT_SUPPORTED if the region
 * cannot be read, or written
 */
export function checkRegionAccess(
  region: RegionDescriptor,
  offset: number,
  width: number,
  length: number,
  write: boolean,
): void {
  requireWidth(width);
  if (!isWithin(region, offset, length)) throw accessOutOfRange(region, offset, length);
  if (offset % width !== 0) {
    throw invalidArgument(
      `${placeName(region, offset)} is not aligned to ${width} bytes`,
      'use a smaller width, or an offset that is a multiple of the width',
    );
  }
  if (length % width !== 0) throw argumentError('length', `a multiple of ${width}, the width`, length);
  if (write ? region.writable : region.readable) return;
  throw new VfioError(`${regionLabel(region)} cannot be ${write ? 'written' : 'read'}`, {
    code: 'ERR_NOT_SUPPORTED',
    device: region.device,
  });
}

function isWithin(region: RegionDescriptor, offset: number, length: number): boolean {
  if (!Number.isSafeInteger(offset) || offset < 0) return false;
  return Number.isSafeInteger(length) && length >= 0 && offset + length <= region.size;
}

/** NaN and fractions are out of range; a value of another type is a wrong argument. */
function accessOutOfRange(region: RegionDescriptor, offset: number, length: number): VfioError {
  if (typeof offset !== 'number') return argumentError('offset', 'a number of bytes', offset);
  if (typeof length !== 'number') return argumentError('length', 'a number of bytes', length);
  const size = `0x${region.size.toString(16)} bytes`;
  return new VfioError(`${placeName(region, offset)}: ${length} bytes lie outside of the region, which has ${size}`, {
    code: 'ERR_OUT_OF_RANGE',
    device: region.device,
  });
}
