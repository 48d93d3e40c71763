import { systemError, VfioError, withContext } from '../../base/errors.js';
import type { DeviceInfo, VfioKernel } from '../../kernel/kernel.js';
import { describeViabilityBlocker, describeGroupUsers } from '../../sysfs/group-hints.js';
import { findCdev } from '../../sysfs/vfio-nodes.js';
import { ifFound } from '../../kernel/hints.js';
import { Mutex } from '../../base/mutex.js';
import { queryGroup } from '../../sysfs/iommu-group.js';
import { Unwinding } from '../../base/unwinding.js';
import type { AttachedDevice, AttachRequest, Backend } from '../backend.js';
import type { DmaTargetRegistry } from '../dma-target.js';
import { DeviceDescriptor } from '../device-descriptor.js';
import { Ioas, type KernelWithIommufd } from './ioas.js';

/** Tells whether a kernel has the iommufd operations. */
export function hasIommufd(kernel: VfioKernel): kernel is KernelWithIommufd {
  return 'openIommufd' in kernel;
}

const BIND = 'ioctl(VFIO_DEVICE_BIND_IOMMUFD)';

/** What the user can do about a failure, by errno and call. */
const IOMMUFD_HINTS: Readonly<Record<string, string>> = {
  [`EPERM ${BIND}`]: 'another driver, container or iommufd holds a function of the group',
  [`EBUSY ${BIND}`]:
    'the group of the device is open: a group has one user at a time, by its group node or by device nodes',
  [`EINVAL ${BIND}`]: 'the device is already bound through its node: a device has one user at a time',
  'EINVAL ioctl(VFIO_DEVICE_ATTACH_IOMMUFD_PT)':
    'all devices of a group share one DMA space, and no reserved range of the device may be mapped in it',
  'EADDRINUSE ioctl(VFIO_DEVICE_ATTACH_IOMMUFD_PT)': 'a reserved range of the device is mapped in the DMA space',
};

/**
 * Attaches devices by their own nodes, /dev/vfio/devices/vfioN, and an iommufd, /dev/iommu. Devices of one space share an IOAS.
 * Thread: the one that made it.
 */
export class IommufdBackend implements Backend {
  readonly name = 'iommufd';
  readonly #kernel: KernelWithIommufd;
  readonly #spaces = new Map<DmaTargetRegistry, Ioas>();
  readonly #devices = new Set<string>();
  /** One attach or detach changes the IOASes at a time. */
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

  async #attach({ name, sysfsPath, space, reset, onOpening }: AttachRequest): Promise<AttachedDevice> {
    if (this.#devices.has(name)) {
      throw systemError('EBUSY', 'attach', { device: name, hint: 'the device is already attached: detach it first' });
    }
    const undo = new Unwinding();
    try {
      const cdev = await requireCdev(this.#kernel, sysfsPath, name);
      const ioas = await this.#use(space, undo);
      ioas.devices.set(name, sysfsPath);
      undo.push(() => void ioas.devices.delete(name));
      const opened = await this.#openDevice({ name, cdev, onOpening }, ioas, undo);
      await this.#join(ioas, undo);
      const info = opened.info();
      if (reset) await opened.resetIfSupported(info);
      this.#devices.add(name);
      undo.push(() => void this.#devices.delete(name));
      return this.#attached(opened, info, undo.release());
    } catch (error) {
      throw await undo.failed(error);
    }
  }

  /** Adds the hint to an error, and what blocks the device if the bind failed. */
  async #explained(error: unknown, { name, sysfsPath }: AttachRequest): Promise<unknown> {
    if (!(error instanceof VfioError)) return error;
    const hint = IOMMUFD_HINTS[`${error.code} ${error.syscall ?? ''}`];
    if (hint === undefined) return withContext(error, { device: name });
    const search = (): Promise<string | undefined> => this.#describeBlocker(error.code, sysfsPath, name);
    const found = error.syscall === BIND ? await ifFound(search) : undefined;
    return withContext(error, { device: name, hint: found === undefined ? hint : `${hint}; ${found}` });
  }

  /** Describes the driver or the process that blocks the bind. Our own descriptor is closed by now. */
  async #describeBlocker(code: string, sysfsPath: string, device: string): Promise<string | undefined> {
    const group = await queryGroup(this.#kernel.sysfs, sysfsPath, device);
    const blocker = code === 'EPERM' ? await describeViabilityBlocker(this.#kernel.sysfs, group.id) : undefined;
    if (blocker !== undefined) return `group ${group.id} is not viable: ${blocker}`;
    return describeGroupUsers(this.#kernel, group);
  }

  /** Uses the IOAS of the space, or makes it. The undo of the last use destroys it. */
  async #use(space: DmaTargetRegistry, undo: Unwinding): Promise<Ioas> {
    const ioas = this.#spaces.get(space) ?? (await Ioas.create(this.#kernel, space));
    this.#spaces.set(space, ioas);
    ioas.users += 1;
    undo.push(async () => {
      ioas.users -= 1;
      // The reserved ranges of the device that left can be mapped again.
      if (ioas.users > 0) return space.refreshTarget(ioas);
      this.#spaces.delete(space);
      await ioas.destroy();
    });
    return ioas;
  }

  async #openDevice(
    { name, cdev, onOpening }: Pick<AttachRequest, 'name' | 'onOpening'> & { readonly cdev: string },
    { iommufd, pageTables }: Ioas,
    undo: Unwinding,
  ): Promise<DeviceDescriptor> {
    const opened = new DeviceDescriptor(this.#kernel, await this.#kernel.openCdev(cdev), name);
    undo.push(() => opened.close());
    const binding = this.#kernel.bindIommufd(opened.fd, iommufd);
    onOpening?.();
    const deviceId = await binding;
    await pageTables.attach(opened.fd, deviceId, undo);
    return opened;
  }

  /** Adds the IOAS to its space with the first device. A later device may change its limits. The last one removes it. */
  async #join(ioas: Ioas, undo: Unwinding): Promise<void> {
    const { space } = ioas;
    if (ioas.users > 1) await space.refreshTarget(ioas);
    else await space.addTarget(ioas);
    undo.push(async () => {
      if (ioas.users === 1) await space.removeTarget(ioas);
    });
  }

  #attached(opened: DeviceDescriptor, info: DeviceInfo, undo: Unwinding): AttachedDevice {
    return {
      backend: this.name,
      kernel: this.#kernel,
      deviceFd: opened.fd,
      info,
      groupId: undefined,
      hasDma: true,
      detach: (onClosing) => {
        opened.onClosing = onClosing;
        return this.#lock.run(() => undo.runOrThrow());
      },
    };
  }
}

/** Finds the name of the device's own node. @throws (rejects) ENODEV if it has none */
async function requireCdev({ sysfs }: VfioKernel, sysfsPath: string, device: string): Promise<string> {
  const cdev = await findCdev(sysfs, sysfsPath);
  if (cdev !== undefined) return cdev;
  throw systemError('ENODEV', 'readdir', {
    device,
    path: `${sysfsPath}/vfio-dev`,
    hint: 'the device has no node of its own: bind it to vfio-pci, on a kernel with CONFIG_VFIO_DEVICE_CDEV (Linux 6.6)',
  });
}
