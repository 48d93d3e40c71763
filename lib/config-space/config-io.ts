import { VfioError } from '../base/errors.js';
import { callKernel } from '../kernel/hints.js';
import type { Fd, RegionInfo, VfioKernel } from '../kernel/kernel.js';

/** Transfers between a buffer and the config region of a device. A transfer is complete, or it fails. */
export interface ConfigIo {
  /** Bytes: 256 or 4096. */
  readonly size: number;
  read(offset: number, length: number): Promise<Uint8Array>;
  write(offset: number, data: Uint8Array): Promise<void>;
}

/**
 * Makes the transfers by the kernel's `pread` and `pwrite` on a call thread. The caller keeps the device open.
 * @param fd of the device
 * @param region the config region of the device
 * @param device its name, for errors
 */
export function kernelConfigIo(kernel: VfioKernel, fd: Fd, region: RegionInfo, device: string): ConfigIo {
  const requireWholeTransfer = (verb: string, offset: number, wanted: number, done: number): void => {
    if (done === wanted) return;
    const place = `config space at 0x${offset.toString(16)}`;
    throw new VfioError(`the device ${verb} ${done} of ${wanted} bytes of ${place}`, {
      code: 'ERR_SHORT_TRANSFER',
      device,
    });
  };
  return {
    size: Number(region.size),
    async read(offset, length) {
      const fileOffset = region.offset + BigInt(offset);
      const data = await callKernel('pread', { device }, () => kernel.pread(fd, fileOffset, length));
      requireWholeTransfer('read', offset, length, data.length);
      return data;
    },
    async write(offset, data) {
      const fileOffset = region.offset + BigInt(offset);
      const count = await callKernel('pwrite', { device }, () => kernel.pwrite(fd, fileOffset, data));
      requireWholeTransfer('wrote', offset, data.length, count);
    },
  };
}
