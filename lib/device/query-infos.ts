import { VfioError } from '../base/errors.js';
import { withHint } from '../kernel/hints.js';
import type { DeviceInfo, DeviceInfos, Fd, IrqInfo, RegionInfo, VfioKernel } from '../kernel/kernel.js';

/** Asks the kernel for all regions and interrupts of a device. @param device its name, for errors @throws the errno of a call */
export function queryInfos(kernel: VfioKernel, fd: Fd, info: DeviceInfo, device: string): DeviceInfos {
  if (kernel.getDeviceInfos !== undefined) {
    try {
      return kernel.getDeviceInfos(fd, info);
    } catch (error) {
      throw withHint(error, 'getRegionInfo', { device });
    }
  }
  const regions: (RegionInfo | undefined)[] = [];
  for (let index = 0; index < info.numRegions; index += 1) {
    regions.push(queryIndex('getRegionInfo', device, () => kernel.getRegionInfo(fd, index)));
  }
  const irqs: (IrqInfo | undefined)[] = [];
  for (let index = 0; index < info.numIrqs; index += 1) {
    irqs.push(queryIndex('getIrqInfo', device, () => kernel.getIrqInfo(fd, index)));
  }
  return { regions, irqs };
}

/**
 * Asks for one index. vfio-pci counts VGA and ERR among its indexes and answers EINVAL for a device without them.
 * @returns undefined for an index that the device does not have
 */
function queryIndex<T>(call: 'getRegionInfo' | 'getIrqInfo', device: string, query: () => T): T | undefined {
  try {
    return query();
  } catch (error) {
    if (error instanceof VfioError && error.code === 'EINVAL') return undefined;
    throw withHint(error, call, { device });
  }
}
