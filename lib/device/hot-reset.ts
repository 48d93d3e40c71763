import type { AttachedDevice } from '../backends/backend.js';
import { formatBdf } from '../sysfs/device-id.js';
import { systemError, VfioError, withContext } from '../base/errors.js';
import type { DependentDevice, DeviceExtras, HotResetInfo } from '../kernel/device-extras.js';
import type { Fd, VfioKernel } from '../kernel/kernel.js';
import { VFIO_PCI_HOT_RESET_FLAG_DEV_ID } from '../uapi/vfio.js';

/** A device that a hot reset takes along. */
export interface HotResetDevice {
  readonly name: string;
  /** Its IOMMU group; undefined where the device is attached by iommufd. */
  readonly groupId: string | undefined;
  /** Whether it is this engine's to reset: its group, or it, is held by the way that the device is attached. */
  readonly owned: boolean;
}

const CALL = 'ioctl(VFIO_DEVICE_PCI_HOT_RESET)';
/** The id of a device that the iommufd does not own. Source: linux/vfio.h, VFIO_PCI_DEVID_NOT_OWNED */
const NOT_OWNED = 0xffffffff;

const HINTS: Readonly<Record<string, string>> = {
  EINVAL: 'a device that the reset takes along is not bound to a VFIO driver',
  ENOTTY: 'the slot or bus did not come back as it should: see the kernel log',
  EAGAIN: 'a device that the reset takes along is in use: try again',
};

/** Tells which devices the reset of the slot or bus takes along; undefined where neither can be reset. */
export function queryHotReset(attached: AttachedDevice): HotResetDevice[] | undefined {
  const info = ask(attached);
  return info?.devices.map((device) => describe(device, info, attached));
}

/** Resets the slot or bus, with every device on it. @throws ERR_NOT_SUPPORTED; EPERM when one is not owned; see HINTS */
export async function hotReset(attached: AttachedDevice, name: string): Promise<void> {
  const devices = queryHotReset(attached);
  if (devices === undefined || !hasExtras(attached.kernel)) {
    const message = 'the device has no slot and no bus that can be reset';
    throw new VfioError(message, { code: 'ERR_NOT_SUPPORTED', device: name, hint: '`queryHotReset` tells beforehand' });
  }
  const others = devices.filter(({ owned }) => !owned).map((device) => device.name);
  if (others.length > 0) {
    const hint = `the reset takes along ${others.join(', ')}: attach them too, in the same way`;
    throw systemError('EPERM', CALL, { device: name, hint });
  }
  try {
    await attached.kernel.hotReset(attached.deviceFd, groupsOf(devices, attached));
  } catch (error) {
    const hint = error instanceof VfioError ? HINTS[error.code] : undefined;
    const along = `it takes along ${devices.map((device) => device.name).join(', ')}`;
    throw withContext(error, { device: name, hint: hint === undefined ? along : `${hint}; ${along}` });
  }
}

function ask({ kernel, deviceFd }: AttachedDevice): HotResetInfo | undefined {
  if (!hasExtras(kernel)) return undefined;
  try {
    return kernel.getHotResetInfo(deviceFd);
  } catch (error) {
    // ENODEV: neither can be reset. ENOTTY: not a PCI device.
    if (error instanceof VfioError && (error.code === 'ENODEV' || error.code === 'ENOTTY')) return undefined;
    throw error;
  }
}

function describe(
  { id, segment, bus, devfn }: DependentDevice,
  { flags }: HotResetInfo,
  { groupFd }: AttachedDevice,
): HotResetDevice {
  const name = formatBdf(segment, bus, devfn >> 3, devfn & 7);
  if ((flags & VFIO_PCI_HOT_RESET_FLAG_DEV_ID) !== 0) return { name, groupId: undefined, owned: id !== NOT_OWNED };
  return { name, groupId: String(id), owned: groupFd?.(String(id)) !== undefined };
}

/** What shows the kernel that the devices are ours; an iommufd needs nothing more than the device. */
function groupsOf(devices: readonly HotResetDevice[], { groupFd }: AttachedDevice): Fd[] {
  const fds = devices.map(({ groupId }) => (groupId === undefined ? undefined : groupFd?.(groupId)));
  return [...new Set(fds.filter((fd) => fd !== undefined))];
}

/** Tells a kernel that has what a device can beyond the seam. */
export function hasExtras(kernel: VfioKernel): kernel is VfioKernel & DeviceExtras {
  return 'getHotResetInfo' in kernel;
}
