import { shown } from '../base/arguments.js';
import { invalidArgument, VfioError } from '../base/errors.js';
import { type Operation, Op } from '../layout/slot.js';
import { errnoName } from '../uapi/errno.js';
import type { RegionDescriptor } from './descriptor.js';

/** The width of an access in bytes. */
export type Width = 1 | 2 | 4 | 8;

/** Names a place for an error's message. */
export function placeName(region: RegionDescriptor, offset: number): string {
  return `region ${region.regionIndex} of ${region.device} at 0x${offset.toString(16)}`;
}

/** Refuses what is no width. @throws ERR_INVALID_ARGUMENT */
export function checkWidth(width: number): void {
  if (width === 1 || width === 2 || width === 4 || width === 8) return;
  throw invalidArgument(`an access of ${shown(width)} bytes does not exist`, 'give 1, 2, 4 or 8');
}

/** Refuses what is no region's. @throws ERR_INVALID_ARGUMENT */
export function requireDescriptor(descriptor: RegionDescriptor | undefined): void {
  if (typeof descriptor === 'object' && typeof descriptor?.handle === 'number') return;
  throw invalidArgument(`${shown(descriptor)} is no descriptor of a region`, 'give a Region, or its `descriptor`');
}

/**
 * Checks an access before it is made.
 * @throws ERR_OUT_OF_RANGE outside of the region, ERR_INVALID_ARGUMENT for a width or an alignment that is none and for
 * what is no number, ERR_NOT_SUPPORTED when the region cannot be read (written)
 */
export function checkAccess(
  region: RegionDescriptor,
  offset: number,
  width: number,
  length: number,
  write: boolean,
): void {
  checkWidth(width);
  if (!isWithin(region, offset, length)) throw outside(region, offset, length);
  if (offset % width !== 0 || length % width !== 0) {
    throw new VfioError(`${placeName(region, offset)} is not aligned for accesses of ${width} bytes`, {
      code: 'ERR_INVALID_ARGUMENT',
      device: region.device,
      hint: 'use a smaller width, or an offset that is a multiple of it',
    });
  }
  if (write ? !region.writable : !region.readable) {
    throw new VfioError(`region ${region.regionIndex} of ${region.device} cannot be ${write ? 'written' : 'read'}`, {
      code: 'ERR_NOT_SUPPORTED',
      device: region.device,
    });
  }
}

function isWithin(region: RegionDescriptor, offset: number, length: number): boolean {
  if (!Number.isSafeInteger(offset) || offset < 0) return false;
  return Number.isSafeInteger(length) && length >= 0 && offset + length <= region.size;
}

/** A number that is no place of the region is outside of it, whatever it is; what is no number is another mistake. */
function outside(region: RegionDescriptor, offset: number, length: number): VfioError {
  for (const [name, value] of Object.entries({ offset, length })) {
    if (typeof value !== 'number') return invalidArgument(`the ${name} is ${shown(value)}`, 'give a number of bytes');
  }
  const bytes = `${length} bytes of ${placeName(region, offset)}`;
  return new VfioError(`${bytes} lie outside of its 0x${region.size.toString(16)} bytes`, {
    code: 'ERR_OUT_OF_RANGE',
    device: region.device,
  });
}

/** vfio-pci answers EIO where the device does not decode its memory. Source: vfio_pci_bar_rw */
const MEMORY_DECODE_HINT =
  'is memory decoding on? it is bit 1 of the command register: set it by `device.config.setMemoryDecode(true)`';

/** Status numbers of the region path that have codes of their own. */
const CODES: Readonly<Record<number, { code: VfioError['code']; what: string }>> = {
  9: { code: 'ERR_CLOSED', what: 'the region is closed' },
  61: { code: 'ERR_SHORT_TRANSFER', what: 'the device moved fewer bytes than asked for' },
  110: { code: 'ERR_TIMEOUT', what: 'the deadline passed' },
  125: { code: 'ERR_ABORTED', what: 'the operation was cancelled' },
  130: {
    code: 'ERR_WORKER_DIED',
    what: 'the worker died; the access may have reached the device and is not made again',
  },
};

/** Makes the error of an operation's negative status. */
export function statusError(region: RegionDescriptor, offset: number, status: number, what: string): VfioError {
  const errno = -status;
  const known = CODES[errno];
  return new VfioError(`${what} ${placeName(region, offset)}: ${known?.what ?? errnoName(errno)}`, {
    code: known?.code ?? errnoName(errno),
    errno,
    device: region.device,
    ...(errno === 5 ? { hint: MEMORY_DECODE_HINT } : {}),
  });
}

/** What an operation does, for an error's message. */
export const OPERATION_NAMES: Readonly<Record<Operation['op'], string>> = {
  [Op.read]: 'reading',
  [Op.write]: 'writing',
  [Op.modify]: 'modifying',
  [Op.poll]: 'polling',
  [Op.copyOut]: 'copying from',
  [Op.copyIn]: 'copying to',
  [Op.barrier]: 'a barrier at',
  [Op.doorbell]: 'ringing',
  [Op.program]: 'a program at',
};
