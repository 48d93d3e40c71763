import type { AttachedDevice } from '../backends/backend.js';
import { formatBdf } from '../sysfs/device-id.js';
import { systemError, VfioError, withContext } from '../base/errors.js';
import { hasDeviceExtras, type DependentDevice, type HotResetInfo } from '../kernel/device-extras.js';
import type { Fd } from '../kernel/kernel.js';
import { VFIO_PCI_HOT_RESET_FLAG_DEV_ID } from '../uapi/vfio.js';

/** A device that a hot reset affects. */
export interface HotResetDevice {
  /** Its bdf. */
  readonly name: string;
  /** The number of its IOMMU group; undefined if the resetting device is attached by iommufd. */
  readonly groupId: string | undefined;
  /** Whether the engine may reset it: its group, or for iommufd the device itself, is attached in the same way. */
  readonly owned: boolean;
}

const CALL = 'ioctl(VFIO_DEVICE_PCI_HOT_RESET)';
/** The id of a device that does not belong to the iommufd. Source: linux/vfio.h, VFIO_PCI_DEVID_NOT_OWNED */
const NOT_OWNED = 0xffffffff;

/** Hints for the errors of the reset, by errno. */
const HOT_RESET_HINTS: Readonly<Record<string, string>> = {
  EINVAL: 'an affected device is not bound to a VFIO driver',
  ENOTTY: 'the slot or bus did not come back after the reset: see the kernel log',
  EAGAIN: 'an affected device is in use: try again',
};

/** Lists the devices that a reset of the slot or bus affects; undefined if neither can be reset. */
export function queryHotReset(attached: AttachedDevice): HotResetDevice[] | undefined {
  const info = queryInfo(attached);
  return info?.devices.map((device) => toHotResetDevice(device, info, attached));
}

/**
 * Resets the slot or bus with every device on it. It performs the reset only if the engine owns every affected device.
 * @param name of the device that asks, for errors
 * @throws ERR_NOT_SUPPORTED if neither can be reset; EPERM if a device is not owned; EINVAL, ENOTTY, EAGAIN: see HOT_RESET_HINTS
 */
export async function hotReset(attached: AttachedDevice, name: string): Promise<void> {
  const devices = queryHotReset(attached);
  if (devices === undefined || !hasDeviceExtras(attached.kernel)) {
    const message = 'neither the slot nor the bus of the device can be reset';
    throw new VfioError(message, {
      code: 'ERR_NOT_SUPPORTED',
      device: name,
      hint: '`queryHotReset` returns undefined for it',
    });
  }
  const others = devices.filter(({ owned }) => !owned).map((device) => device.name);
  if (others.length > 0) {
    const hint = `the reset also affects ${others.join(', ')}: attach them too, in the same way`;
    throw systemError('EPERM', CALL, { device: name, hint });
  }
  try {
    await attached.kernel.hotReset(attached.deviceFd, groupsOf(devices, attached));
  } catch (error) {
    const hint = error instanceof VfioError ? HOT_RESET_HINTS[error.code] : undefined;
    const affected = `it affects ${devices.map((device) => device.name).join(', ')}`;
    throw withContext(error, { device: name, hint: hint === undefined ? affected : `${hint}; ${affected}` });
  }
}

function queryInfo({ kernel, deviceFd }: AttachedDevice): HotResetInfo | undefined {
  if (!hasDeviceExtras(kernel)) return undefined;
  try {
    return kernel.getHotResetInfo(deviceFd);
  } catch (error) {
    // ENODEV: neither slot nor bus can be reset. ENOTTY: not a PCI device.
    if (error instanceof VfioError && (error.code === 'ENODEV' || error.code === 'ENOTTY')) return undefined;
    throw error;
  }
}

function toHotResetDevice(
  { id, segment, bus, devfn }: DependentDevice,
  { flags }: HotResetInfo,
  { groupFd }: AttachedDevice,
): HotResetDevice {
  const name = formatBdf(segment, bus, devfn >> 3, devfn & 7);
  if ((flags & VFIO_PCI_HOT_RESET_FLAG_DEV_ID) !== 0) return { name, groupId: undefined, owned: id !== NOT_OWNED };
  return { name, groupId: String(id), owned: groupFd?.(String(id)) !== undefined };
}

/** Returns the groups that prove to the kernel that the engine owns the devices; with iommufd the device itself proves it. */
function groupsOf(devices: readonly HotResetDevice[], { groupFd }: AttachedDevice): Fd[] {
  const fds = devices.map(({ groupId }) => (groupId === undefined ? undefined : groupFd?.(groupId)));
  return [...new Set(fds.filter((fd) => fd !== undefined))];
}
