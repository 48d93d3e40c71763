import type { Fd, VfioKernel } from './kernel.js';

/**
 * What a VFIO device of the real kernel can beyond the seam. Errors as VfioKernel's.
 * Source: linux/vfio.h (6.12). Thread: as VfioKernel.
 */
export interface DeviceExtras {
  /** ioctl(VFIO_DEVICE_GET_PCI_HOT_RESET_INFO). @throws ENODEV where neither slot nor bus can be reset */
  getHotResetInfo(device: Fd): HotResetInfo;
  /**
   * ioctl(VFIO_DEVICE_PCI_HOT_RESET): resets the slot or bus with every device on it.
   * @param groups the open groups that own them all; none when the device is bound to an iommufd that does
   * @throws EPERM when one is not owned, ENODEV, ENOTTY when the reset failed
   */
  hotReset(device: Fd, groups: readonly Fd[]): Promise<void>;
  /**
   * ioctl(VFIO_DEVICE_FEATURE, PROBE)
   * @param ways VFIO_DEVICE_FEATURE_GET, _SET, both or 0
   * @returns whether the device has the feature (in these ways)
   */
  hasFeature(device: Fd, feature: number, ways?: number): boolean;
  /** ioctl(VFIO_DEVICE_FEATURE, GET). @param payload as long as the feature's structure @returns it, filled in */
  getFeature(device: Fd, feature: number, payload: Uint8Array): Promise<Uint8Array>;
  /** ioctl(VFIO_DEVICE_FEATURE, SET). @returns the payload as the kernel left it */
  setFeature(device: Fd, feature: number, payload: Uint8Array): Promise<Uint8Array>;
  /**
   * ioctl(VFIO_DEVICE_IOEVENTFD): every count in the eventfd writes `data` to the device, in the kernel.
   * @param eventfd -1 takes the pairing away
   * @throws EEXIST when it is there, ENODEV when it is not, EINVAL outside of BARs, ENOSPC
   */
  setIoeventfd(device: Fd, ioeventfd: Ioeventfd): Promise<void>;
}

/** Tells whether a kernel has these operations. The software core does not. */
export function hasDeviceExtras(kernel: VfioKernel): kernel is VfioKernel & DeviceExtras {
  return 'getHotResetInfo' in kernel;
}

/** The answer to VFIO_DEVICE_GET_PCI_HOT_RESET_INFO. */
export interface HotResetInfo {
  /** VFIO_PCI_HOT_RESET_FLAG_DEV_ID, _DEV_ID_OWNED */
  readonly flags: number;
  readonly devices: readonly DependentDevice[];
}

/** A device that the reset takes along. */
export interface DependentDevice {
  /** A group's number, or with flag DEV_ID an iommufd device id (0: owned without one, 0xffffffff: not owned). */
  readonly id: number;
  readonly segment: number;
  readonly bus: number;
  readonly devfn: number;
}

/** struct vfio_device_ioeventfd. `width` in bytes: 1, 2, 4 or 8. */
export interface Ioeventfd {
  readonly fileOffset: bigint;
  readonly width: number;
  readonly data: bigint;
  readonly eventfd: Fd;
}
