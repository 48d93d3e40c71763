import type { VfioKernel } from './kernel.js';
import { VfioError, withContext } from '../base/errors.js';
import { TOO_MANY_FILES } from '../base/thread-error.js';

/** The name of a method of `VfioKernel`. */
export type KernelCall = keyof VfioKernel;

/** What the user can do about a failure, by call and errno. */
const HINTS_BY_CALL: Partial<Record<KernelCall, Readonly<Record<string, string>>>> = {
  openContainer: {
    ENOENT: 'the kernel has no VFIO: modprobe vfio-pci, or use a device of the software core',
    ENODEV: 'the kernel has no VFIO: modprobe vfio-pci',
    EACCES: 'the user may not open /dev/vfio/vfio: chmod 0666 it or add the user to its group',
    EMFILE: TOO_MANY_FILES,
  },
  openGroup: {
    ENOENT: 'no device of the group is bound to vfio-pci: bind the device first',
    EACCES: 'the user may not open the group: chown /dev/vfio/GROUP to the user',
    EBUSY: 'the group is already open, in this process or in another one: a group has one user at a time',
    EPERM: 'a group without an IOMMU needs CAP_SYS_RAWIO, and enable_unsafe_noiommu_mode of the module vfio',
    ENODEV: 'the devices of the group have left their VFIO driver: bind the device again',
    EMFILE: TOO_MANY_FILES,
  },
  setContainer: {
    EINVAL:
      'the group is already in a container, or the IOMMU cannot hold it together with the groups of this container',
    EPERM: 'no interrupt remapping: set allow_unsafe_interrupts of vfio_iommu_type1 if the guest is trusted',
    ENODEV: 'the devices of the group have left their VFIO driver: bind the device again',
  },
  setIommu: {
    EPERM: 'no interrupt remapping: set allow_unsafe_interrupts of vfio_iommu_type1 if the guest is trusted',
    ENODEV: 'the kernel does not have this type of IOMMU: modprobe vfio_iommu_type1',
    EBUSY: 'a kernel driver or another container uses the DMA of the group',
    EINVAL: 'the group is not viable, or one of its reserved ranges overlaps a mapping',
  },
  getDeviceFd: {
    ENODEV: 'the device is not bound to a VFIO driver of this group, or is being unbound',
    EINVAL: 'the driver of the device refused it: see the kernel log',
    EPERM: 'the device needs a VF token, or its DMA is in use elsewhere',
    EBUSY: 'the device is in use through another interface',
    EMFILE: TOO_MANY_FILES,
  },
  mapDma: {
    EEXIST: 'part of the range is already mapped',
    EINVAL: 'the range lies outside of the IOVA ranges, or does not consist of whole pages',
    ENOSPC:
      'the limit of mappings is reached: map larger pieces, or raise dma_entry_limit of vfio_iommu_type1 and attach again',
    ENOMEM: 'the memory cannot be locked: raise ulimit -l',
    EFAULT: 'the memory is not mapped in this process, or is read-only',
    ENOTTY: 'a device without an IOMMU has no DMA mappings',
  },
  unmapDma: { EINVAL: 'the range cuts through a mapping: unmap whole mappings' },
  setIrqs: {
    EINVAL: 'another interrupt type is enabled, the vector does not exist, or this type has no such action',
    ENOTTY: 'this interrupt cannot be masked by VFIO: mask it in the device',
    ENOSPC: 'the host has no more interrupt vectors',
    EBADF: 'the eventfd is not open',
    EBUSY: 'a kernel driver uses the shared interrupt line',
  },
  resetDevice: { EAGAIN: 'the device is locked by another operation: try again', ENOTTY: 'the device has no reset' },
  mmap: { EINVAL: 'this part of the region cannot be mapped', ENOMEM: 'too many mappings: raise vm.max_map_count' },
};

/** Returns what the user can do about a failed call; undefined if no hint is known. */
export function hintFor(call: KernelCall, code: string): string | undefined {
  return HINTS_BY_CALL[call]?.[code];
}

/** Returns the error of a call with the device, the path and the hint added. */
export function withHint(error: unknown, call: KernelCall, context: { device?: string; path?: string } = {}): unknown {
  if (!(error instanceof VfioError)) return error;
  return withContext(error, { ...context, hint: hintFor(call, error.code) });
}

/**
 * Runs a search that would explain an error. A failure of the search itself (no descriptor is left, for example) is ignored,
 * because the error matters more.
 * @returns what the search found; undefined if it failed
 */
export async function ifFound<T>(search: () => Promise<T>): Promise<T | undefined> {
  try {
    return await search();
  } catch {
    return undefined;
  }
}

/** Calls a method of a kernel, with or without a promise. A failure gets the device, the path and the hint. */
export function callKernel<T>(call: KernelCall, context: { device?: string; path?: string }, work: () => T): T {
  const explain = (error: unknown): never => {
    throw withHint(error, call, context);
  };
  try {
    const result = work();
    return result instanceof Promise ? (result.catch(explain) as T) : result;
  } catch (error) {
    return explain(error);
  }
}
