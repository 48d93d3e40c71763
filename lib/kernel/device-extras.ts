import type { Fd, VfioKernel } from './kernel.js';

/**
 * Operations on a device that only the real kernel has: hot reset, features and ioeventfds. Errors and threads are those of
 * `VfioKernel`. Source: linux/vfio.h (6.12).
 */
export interface DeviceExtras {
  /** ioctl(VFIO_DEVICE_GET_PCI_HOT_RESET_INFO). @throws ENODEV if neither the slot nor the bus can be reset */
  getHotResetInfo(device: Fd): HotResetInfo;
  /**
   * ioctl(VFIO_DEVICE_PCI_HOT_RESET): resets the slot or bus with every device on it.
   * @param groups the open groups of all these devices; empty if the device is bound to an iommufd that has them all
   * @throws EPERM if the caller does not own one of the devices; ENODEV; ENOTTY if the reset failed
   */
  hotReset(device: Fd, groups: readonly Fd[]): Promise<void>;
  /**
   * ioctl(VFIO_DEVICE_FEATURE, PROBE)
   * @param ways VFIO_DEVICE_FEATURE_GET, VFIO_DEVICE_FEATURE_SET, both, or 0 to ask for the feature alone
   * @returns whether the device has the feature and allows these operations
   */
  hasFeature(device: Fd, feature: number, ways?: number): boolean;
  /** ioctl(VFIO_DEVICE_FEATURE, GET). @param payload as long as the structure of the feature @returns the structure as the kernel filled it in */
  getFeature(device: Fd, feature: number, payload: Uint8Array): Promise<Uint8Array>;
  /** ioctl(VFIO_DEVICE_FEATURE, SET). @returns the structure as the kernel left it */
  setFeature(device: Fd, feature: number, payload: Uint8Array): Promise<Uint8Array>;
  /**
   * ioctl(VFIO_DEVICE_IOEVENTFD): the kernel writes `data` to the device whenever the eventfd is signalled.
   * An `eventfd` of -1 removes the pair.
   * @throws EEXIST if the pair exists; ENODEV if it does not; EINVAL outside of BARs; ENOSPC
   */
  setIoeventfd(device: Fd, ioeventfd: Ioeventfd): Promise<void>;
}

/** Tells whether a kernel has these operations. The software core does not. */
export function hasDeviceExtras(kernel: VfioKernel): kernel is VfioKernel & DeviceExtras {
  return 'getHotResetInfo' in kernel;
}

/** The answer to VFIO_DEVICE_GET_PCI_HOT_RESET_INFO. */
export interface HotResetInfo {
  /** VFIO_PCI_HOT_RESET_FLAG_DEV_ID, VFIO_PCI_HOT_RESET_FLAG_DEV_ID_OWNED. */
  readonly flags: number;
  /** All devices that the hot reset resets. */
  readonly devices: readonly DependentDevice[];
}

/** A device that the hot reset also resets. */
export interface DependentDevice {
  /** The number of its group. With flag DEV_ID its iommufd device id; 0: owned without an id; 0xffffffff: not owned. */
  readonly id: number;
  /** The PCI domain. */
  readonly segment: number;
  /** The bus number. */
  readonly bus: number;
  /** The slot in bits 3 to 7, the function in bits 0 to 2. */
  readonly devfn: number;
}

/** struct vfio_device_ioeventfd. `width` is 1, 2, 4 or 8 bytes. */
export interface Ioeventfd {
  /** The offset in the device's file, in bytes. */
  readonly fileOffset: bigint;
  /** 1, 2, 4 or 8 bytes. */
  readonly width: number;
  /** The value that the kernel writes. */
  readonly data: bigint;
  /** The eventfd; -1 removes the pair. */
  readonly eventfd: Fd;
}
