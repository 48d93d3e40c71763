import type { ConfigIo } from './config-space.js';
import { VfioError } from '../base/errors.js';
import { callKernel } from '../kernel/hints.js';
import type { Fd, RegionInfo, VfioKernel } from '../kernel/kernel.js';

/** Reaches a device's config region by the kernel's transfers, off the event loop. The caller holds the device open. */
export function configIo(kernel: VfioKernel, fd: Fd, region: RegionInfo, device: string): ConfigIo {
  const whole = (verb: string, offset: number, asked: number, done: number): void => {
    if (done === asked) return;
    throw new VfioError(`${verb} of ${asked} bytes at 0x${offset.toString(16)} of config space made ${done}`, {
      code: 'ERR_SHORT_TRANSFER',
      device,
    });
  };
  return {
    size: Number(region.size),
    async read(offset, length) {
      const at = region.offset + BigInt(offset);
      const data = await callKernel('pread', { device }, () => kernel.pread(fd, at, length));
      whole('a read', offset, length, data.length);
      return data;
    },
    async write(offset, data) {
      const at = region.offset + BigInt(offset);
      const count = await callKernel('pwrite', { device }, () => kernel.pwrite(fd, at, data));
      whole('a write', offset, data.length, count);
    },
  };
}
