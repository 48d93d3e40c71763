import { VfioError, type VfioErrorCode } from '../base/errors.js';
import { type Operation, Op } from '../layout/slot.js';
import { ECANCELED, EOWNERDEAD, ESTALE, errnoName, errnoNumber } from '../uapi/errno.js';
import { checkRegionAccess, placeName } from './access-checks.js';
import type { RegionDescriptor } from './descriptor.js';
import type { StepFacts } from './program-slots.js';

/** vfio-pci answers EIO while the device does not decode its memory. Source: vfio_pci_bar_rw */
const MEMORY_DECODE_HINT =
  'is memory decoding on? It is bit 1 of the command register: set it with `device.config.setMemoryDecode(true)`';

/** The statuses that have a code of their own. */
const REASONS = new Map<number, { readonly code: VfioErrorCode; readonly reason: string }>([
  [errnoNumber('EBADF'), { code: 'ERR_CLOSED', reason: 'the region is closed' }],
  [errnoNumber('ENODATA'), { code: 'ERR_SHORT_TRANSFER', reason: 'the device transferred fewer bytes than requested' }],
  [errnoNumber('ETIMEDOUT'), { code: 'ERR_TIMEOUT', reason: 'the deadline passed' }],
  [ESTALE, { code: 'ERR_REVOKED', reason: 'the device does not answer, so its mapping is revoked' }],
  [ECANCELED, { code: 'ERR_ABORTED', reason: 'the operation was cancelled' }],
  [
    EOWNERDEAD,
    {
      code: 'ERR_WORKER_DIED',
      reason: 'the I/O worker died; the access may have reached the device and is not repeated',
    },
  ],
]);

/** Names an operation in an error's message. */
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

/**
 * Makes the error of an operation that failed.
 * @param offset bytes into the region
 * @param status a negative errno
 * @param operation its name, as in `OPERATION_NAMES`
 */
export function operationError(region: RegionDescriptor, offset: number, status: number, operation: string): VfioError {
  const errno = -status;
  const known = REASONS.get(errno);
  const name = errnoName(errno);
  return new VfioError(`${operation} ${placeName(region, offset)}: ${known?.reason ?? name}`, {
    code: known?.code ?? name,
    errno,
    device: region.device,
    ...(name === 'EIO' || name === 'ESTALE' ? { hint: MEMORY_DECODE_HINT } : {}),
  });
}

/** Makes the error of a program's step that failed. A wrong access is told as `checkRegionAccess` tells it. */
export function stepError(region: RegionDescriptor, facts: StepFacts, status: number): Error {
  const { op, width, offset, length } = facts;
  const write = op === Op.write || op === Op.modify || op === Op.copyIn || op === Op.doorbell;
  try {
    // A barrier accesses nothing.
    if (op !== Op.barrier) checkRegionAccess(region, offset, width, length, write);
  } catch (error) {
    return error as Error;
  }
  return operationError(region, offset, status, OPERATION_NAMES[op]);
}
