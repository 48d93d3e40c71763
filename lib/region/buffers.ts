import { types } from 'node:util';

import { shown } from '../base/arguments.js';
import { invalidArgument, VfioError } from '../base/errors.js';
import { addon } from '../native/addon.js';
import type { BufferHandle } from '../native/lane.js';

const handles = new WeakMap<SharedArrayBuffer, BufferHandle>();
/** A buffer that nobody holds any more is let go by the addon as well. */
const registry = new FinalizationRegistry<BufferHandle>((handle) => addon.bufferClose(handle));

/** Gives the handle by which workers reach a buffer; the first call registers it. @throws ERR_INVALID_ARGUMENT */
export function bufferHandle(buffer: SharedArrayBuffer): BufferHandle {
  const known = handles.get(buffer);
  if (known !== undefined) return known;
  if (!types.isSharedArrayBuffer(buffer)) {
    throw invalidArgument(`${shown(buffer)} is no memory to copy from or to`, 'give a SharedArrayBuffer');
  }
  const handle = addon.bufferRegister(buffer);
  handles.set(buffer, handle);
  registry.register(buffer, handle);
  return handle;
}

/** What a slot's 32 bits hold. */
const LONGEST_COPY = 0xffff_ffff;

/**
 * Checks a copy's side of the memory; `checkAccess` checks the region's.
 * @param bufferBytes how long the buffer is
 * @param length bytes, a multiple of `width`
 * @param bufferOffset bytes
 * @throws ERR_INVALID_ARGUMENT for an offset that is no multiple of `width`; ERR_OUT_OF_RANGE outside of the buffer, and for
 * more than 4,294,967,295 bytes
 */
export function checkBuffer(bufferBytes: number, bufferOffset: number, length: number, width: number): void {
  if (!Number.isSafeInteger(bufferOffset) || bufferOffset % width !== 0) {
    throw invalidArgument(`bufferOffset is ${shown(bufferOffset)}`, `give a multiple of ${width}`);
  }
  if (length > LONGEST_COPY) {
    const hint = `copy at most ${LONGEST_COPY} at a time`;
    throw new VfioError(`${length} bytes are too many for one copy`, { code: 'ERR_OUT_OF_RANGE', hint });
  }
  if (bufferOffset >= 0 && bufferOffset + length <= bufferBytes) return;
  const outside = `${length} bytes at ${bufferOffset} lie outside of the buffer's ${bufferBytes}`;
  throw new VfioError(outside, { code: 'ERR_OUT_OF_RANGE' });
}
