import type { Fd, VfioKernel } from '../../../lib/kernel/kernel.js';
import { addon } from '../../../lib/native/addon.js';

/**
 * Maps the start of a region for the length of a piece of work. In the end it is revoked, also when the work fails: a
 * view alone keeps the memory mapped, and with it the device in use, until it is collected.
 * @param length in bytes, whole pages
 */
export async function whileMapped<T>(
  kernel: VfioKernel,
  device: Fd,
  regionIndex: number,
  length: number,
  work: (view: SharedArrayBuffer) => T | Promise<T>,
): Promise<T> {
  const { offset } = kernel.getRegionInfo(device, regionIndex);
  const mapping = await kernel.mmap(device, offset, length, { read: true, write: true });
  try {
    return await work(addon.mappingView(mapping));
  } finally {
    addon.mappingRevoke(mapping);
    addon.mappingClose(mapping);
  }
}
