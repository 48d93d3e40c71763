import { argumentError } from '../base/arguments.js';
import { VfioError } from '../base/errors.js';

/** The longest copy, bytes: a slot has 32 bits for the length. */
const LONGEST_COPY = 0xffff_ffff;

/**
 * Checks the range of a copy in its buffer. `checkRegionAccess` checks the range in the region.
 * @param bufferBytes the size of the buffer
 * @param bufferOffset bytes into the buffer
 * @param length bytes
 * @param width bytes of one access
 * @throws ERR_INVALID_ARGUMENT if `bufferOffset` is not a multiple of `width`; ERR_OUT_OF_RANGE if the copy reaches beyond
 * the buffer, or has more than 4,294,967,295 bytes
 */
export function checkBufferRange(bufferBytes: number, bufferOffset: number, length: number, width: number): void {
  if (!Number.isSafeInteger(bufferOffset) || bufferOffset % width !== 0) {
    throw argumentError('bufferOffset', `a multiple of ${width}, the width`, bufferOffset);
  }
  if (length > LONGEST_COPY) {
    throw copyOutOfRange(`\`length\` must be at most ${LONGEST_COPY}, the longest copy. Received ${length}`);
  }
  if (bufferOffset < 0 || bufferOffset + length > bufferBytes) {
    throw copyOutOfRange(
      `${length} bytes at ${bufferOffset} lie outside of the buffer, which has ${bufferBytes} bytes`,
    );
  }
}

function copyOutOfRange(message: string): VfioError {
  return new VfioError(message, { code: 'ERR_OUT_OF_RANGE' });
}
