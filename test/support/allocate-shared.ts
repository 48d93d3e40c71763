import { addon } from '../../lib/native/addon.js';

/** Allocates zeroed anonymous shared memory. @param size bytes, a multiple of the page size */
export function allocateShared(size: number): SharedArrayBuffer {
  return addon.memoryPlace(-1, size, 0, false, -1, false) as SharedArrayBuffer;
}
