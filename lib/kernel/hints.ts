import type { VfioKernel } from './kernel.js';
import { VfioError, withContext } from '../base/errors.js';

/** The calls that hints are keyed by: the kernel's methods. */
export type KernelCall = keyof VfioKernel;

/** What one can do about a failed call; one entry a call and errno. */
const HINTS_BY_CALL: Partial<Record<KernelCall, Readonly<Record<string, string>>>> = {
  openContainer: {
    ENOENT: 'the kernel has no VFIO: modprobe vfio-pci, or use a device of the software core',
    ENODEV: 'the kernel has no VFIO: modprobe vfio-pci',
    EACCES: 'the user may not open /dev/vfio/vfio: chmod 0666 it or add the user to its group',
    EMFILE: 'too many open files: raise ulimit -n',
  },
  openGroup: {
    ENOENT: 'no device of the group is bound to vfio-pci: bind the device first',
    EACCES: 'the user may not open the group: chown /dev/vfio/GROUP to the user',
    EBUSY: 'the group is open already, here or in another process: one user at a time',
    EPERM: 'a group without an IOMMU needs CAP_SYS_RAWIO, and enable_unsafe_noiommu_mode of the module vfio',
    ENODEV: 'the devices of the group have left their VFIO driver: bind the device again',
    EMFILE: 'too many open files: raise ulimit -n',
  },
  setContainer: {
    EINVAL: 'the group has a container, or the IOMMU cannot hold it together with the groups of this container',
    EPERM: 'no interrupt remapping: set allow_unsafe_interrupts of vfio_iommu_type1 if the guest is trusted',
    ENODEV: 'the devices of the group have left their VFIO driver: bind the device again',
  },
  setIommu: {
    EPERM: 'no interrupt remapping: set allow_unsafe_interrupts of vfio_iommu_type1 if the guest is trusted',
    ENODEV: 'the kernel cannot give this IOMMU: modprobe vfio_iommu_type1',
    EBUSY: 'another user holds the DMA of the group: a driver of the kernel, or another container',
    EINVAL: 'the group is not viable, or a reserved range of it meets a mapping',
  },
  getDeviceFd: {
    ENODEV: 'the device is not bound to a VFIO driver of this group, or is being unbound',
    EINVAL: 'the device was refused by its driver: see the kernel log',
    EPERM: 'the device wants a VF token, or its DMA is in use elsewhere',
    EBUSY: 'the device is in use through another interface',
    EMFILE: 'too many open files: raise ulimit -n',
  },
  mapDma: {
    EEXIST: 'part of the range is mapped already',
    EINVAL: 'the range is outside of the IOVA ranges, or is not of whole pages',
    ENOSPC:
      'the limit of mappings is reached: map larger pieces, or attach anew with dma_entry_limit of vfio_iommu_type1 raised',
    ENOMEM: 'the memory cannot be locked: raise ulimit -l',
    EFAULT: 'the memory is not mapped in this process, or is read-only',
    ENOTTY: 'a device without an IOMMU has no DMA mappings',
  },
  unmapDma: { EINVAL: 'the range cuts through a mapping: unmap whole mappings' },
  setIrqs: {
    EINVAL: 'another interrupt type is on, the vector is not there, or this action is not the type’s',
    ENOTTY: 'this interrupt cannot be masked by VFIO: mask it in the device',
    ENOSPC: 'the host has no more interrupt vectors',
    EBADF: 'the eventfd is not open',
    EBUSY: 'the interrupt line is shared and in use by a driver of the kernel',
  },
  resetDevice: { EAGAIN: 'the device is locked by another operation: try again', ENOTTY: 'the device has no reset' },
  mmap: { EINVAL: 'this part of the region cannot be mapped', ENOMEM: 'too many mappings: raise vm.max_map_count' },
};

/** Gives what to do about a failed call, where it is known. */
export function hintFor(call: KernelCall, code: string): string | undefined {
  return HINTS_BY_CALL[call]?.[code];
}

/** Gives the error of a kernel's call with its device, its path and what to do about it. */
export function withHint(error: unknown, call: KernelCall, context: { device?: string; path?: string } = {}): unknown {
  if (!(error instanceof VfioError)) return error;
  return withContext(error, { ...context, hint: hintFor(call, error.code) });
}

/**
 * Gives what would explain an error, where it can be found. What the search fails with (no descriptor is left, say) is nothing
 * beside the error itself.
 */
export async function ifFound<T>(search: () => Promise<T>): Promise<T | undefined> {
  try {
    return await search();
  } catch {
    return undefined;
  }
}

/** Makes a call of the kernel's, one that answers at once or by a promise; a failure gets the device and the hint. */
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
