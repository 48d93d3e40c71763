import { warn } from '../../base/diagnostics.js';
import { systemError, VfioError, withContext } from '../../base/errors.js';
import type { DeviceInfo, Fd, VfioKernel } from '../../kernel/kernel.js';
import { describeViabilityBlocker, describeGroupUsers } from '../../sysfs/group-hints.js';
import { findCdev } from '../../sysfs/vfio-nodes.js';
import { ifFound } from '../../kernel/hints.js';
import { Mutex } from '../../base/mutex.js';
import { queryGroup } from '../../sysfs/iommu-group.js';
import { VFIO_DEVICE_FLAGS_RESET } from '../../uapi/vfio.js';
import { Unwinding } from '../../base/unwinding.js';
import type { AttachedDevice, AttachRequest, Backend } from '../backend.js';
import type { DmaTargetRegistry } from '../dma-target.js';
import { OpenedDevice } from '../opened-device.js';
import { Ioas, type KernelWithIommufd } from './ioas.js';

/** Tells a kernel that has iommufd's calls. */
export function hasIommufd(kernel: VfioKernel): kernel is KernelWithIommufd {
  return 'openIommufd' in kernel;
}

const BIND = 'ioctl(VFIO_DEVICE_BIND_IOMMUFD)';

/** What one can do about an iommufd call's errno. */
const IOMMUFD_HINTS: Readonly<Record<string, string>> = {
  [`EPERM ${BIND}`]: 'another driver, container or iommufd holds a function of the group',
  [`EBUSY ${BIND}`]: 'the group of the device is open: one user at a time, by one way',
  [`EINVAL ${BIND}`]: 'the device is bound through its node already: one user at a time',
  'EINVAL ioctl(VFIO_DEVICE_ATTACH_IOMMUFD_PT)':
    'the devices of one group share one address space, and a reserved range of the device must not be mapped in it',
  'EADDRINUSE ioctl(VFIO_DEVICE_ATTACH_IOMMUFD_PT)': 'a reserved range of the device is mapped in the address space',
};

/**
 * Attaches devices by their own nodes: /dev/vfio/devices/vfioN and /dev/iommu. Devices of one space share one IOAS.
 * Thread: the one that made it.
 */
export class IommufdBackend implements Backend {
  readonly name = 'iommufd';
  readonly #kernel: KernelWithIommufd;
  readonly #spaces = new Map<DmaTargetRegistry, Ioas>();
  readonly #devices = new Set<string>();
  /** Address spaces are made and ended by one attach or detach at a time. */
  readonly #lock = new Mutex();

  constructor(kernel: KernelWithIommufd) {
    this.#kernel = kernel;
  }

  attach(request: AttachRequest): Promise<AttachedDevice> {
    return this.#lock.run(async () => {
      try {
        return await this.#attach(request);
      } catch (error) {
        throw await this.#explained(error, request);
      }
    });
  }

  async #attach({ name, sysfsPath, space, reset, meanwhile }: AttachRequest): Promise<AttachedDevice> {
    if (this.#devices.has(name)) {
      throw systemError('EBUSY', 'attach', { device: name, hint: 'the device is attached already: detach it first' });
    }
    const undo = new Unwinding();
    try {
      const cdev = await requireCdev(this.#kernel, sysfsPath, name);
      const ioas = await this.#use(space, undo);
      ioas.devices.set(name, sysfsPath);
      undo.push(() => void ioas.devices.delete(name));
      const opened = await this.#openDevice({ cdev, meanwhile }, ioas, undo);
      await this.#join(ioas, undo);
      const info = this.#kernel.getDeviceInfo(opened.fd);
      if (reset) await this.#reset(opened.fd, info, name);
      this.#devices.add(name);
      undo.push(() => void this.#devices.delete(name));
      return this.#attached(opened, info, undo.release());
    } catch (error) {
      throw await undo.failed(error);
    }
  }

  /** Says what to do about a failure, and who has the device where that is why. */
  async #explained(error: unknown, { name, sysfsPath }: AttachRequest): Promise<unknown> {
    if (!(error instanceof VfioError)) return error;
    const hint = IOMMUFD_HINTS[`${error.code} ${error.syscall ?? ''}`];
    if (hint === undefined) return withContext(error, { device: name });
    const search = (): Promise<string | undefined> => this.#inTheWay(error.code, sysfsPath, name);
    const found = error.syscall === BIND ? await ifFound(search) : undefined;
    return withContext(error, { device: name, hint: found === undefined ? hint : `${hint}; ${found}` });
  }

  /** Says whose driver, or which process, keeps a device from being bound; our own file is closed by now. */
  async #inTheWay(code: string, sysfsPath: string, device: string): Promise<string | undefined> {
    const group = await queryGroup(this.#kernel.sysfs, sysfsPath, device);
    const blocker = code === 'EPERM' ? await describeViabilityBlocker(this.#kernel.sysfs, group.id) : undefined;
    if (blocker !== undefined) return `group ${group.id} is not viable: ${blocker}`;
    return describeGroupUsers(this.#kernel, group);
  }

  /** Takes a hold on the space's IOAS; the last one to let go ends it. */
  async #use(space: DmaTargetRegistry, undo: Unwinding): Promise<Ioas> {
    const ioas = this.#spaces.get(space) ?? (await Ioas.create(this.#kernel, space));
    this.#spaces.set(space, ioas);
    ioas.users += 1;
    undo.push(async () => {
      ioas.users -= 1;
      // The one that left may have narrowed it for the others.
      if (ioas.users > 0) return space.refreshTarget(ioas);
      this.#spaces.delete(space);
      await ioas.destroy();
    });
    return ioas;
  }

  async #openDevice(
    { cdev, meanwhile }: { readonly cdev: string; readonly meanwhile: (() => void) | undefined },
    { iommufd, pageTables }: Ioas,
    undo: Unwinding,
  ): Promise<OpenedDevice> {
    const opened = new OpenedDevice(this.#kernel, await this.#kernel.openCdev(cdev));
    undo.push(() => opened.close());
    const binding = this.#kernel.bindIommufd(opened.fd, iommufd);
    meanwhile?.();
    const deviceId = await binding;
    await pageTables.attach(opened.fd, deviceId, undo);
    return opened;
  }

  /** Has the space map into the IOAS: the first device brings it in, a later one may narrow it, the last takes it out. */
  async #join(ioas: Ioas, undo: Unwinding): Promise<void> {
    const { space } = ioas;
    if (ioas.users > 1) await space.refreshTarget(ioas);
    else await space.addTarget(ioas);
    undo.push(async () => {
      if (ioas.users === 1) await space.removeTarget(ioas);
    });
  }

  /** A device that cannot be reset works, with the state that its last user left it in. */
  async #reset(deviceFd: Fd, info: DeviceInfo, device: string): Promise<void> {
    if ((info.flags & VFIO_DEVICE_FLAGS_RESET) === 0) return;
    try {
      await this.#kernel.resetDevice(deviceFd);
    } catch (error) {
      warn('the device could not be reset', error, device);
    }
  }

  #attached(opened: OpenedDevice, info: DeviceInfo, undo: Unwinding): AttachedDevice {
    return {
      backend: this.name,
      kernel: this.#kernel,
      deviceFd: opened.fd,
      info,
      groupId: undefined,
      hasDma: true,
      detach: (meanwhile) => {
        opened.meanwhile = meanwhile;
        return this.#lock.run(() => undo.runOrThrow());
      },
    };
  }
}

/** Finds the device's own node. @throws ENODEV for a device that has none */
async function requireCdev({ sysfs }: VfioKernel, sysfsPath: string, device: string): Promise<string> {
  const cdev = await findCdev(sysfs, sysfsPath);
  if (cdev !== undefined) return cdev;
  throw systemError('ENODEV', 'readdir', {
    device,
    path: `${sysfsPath}/vfio-dev`,
    hint: 'the device has no node of its own: bind it to vfio-pci, on a kernel with CONFIG_VFIO_DEVICE_CDEV (Linux 6.6)',
  });
}
