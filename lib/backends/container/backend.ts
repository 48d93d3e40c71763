import { systemError, withContext } from '../../errors.js';
import { warn } from '../../diagnostics.js';
import { calling } from '../../hints.js';
import type { DeviceInfo, Fd, VfioKernel } from '../../kernel/kernel.js';
import { Mutex } from '../../mutex.js';
import { queryGroup } from '../../pci-sysfs.js';
import { VFIO_DEVICE_FLAGS_RESET } from '../../uapi/vfio.js';
import { allOf, Unwinding } from '../../unwinding.js';
import type { AttachedDevice, AttachRequest, Backend } from '../backend.js';
import { GroupTable, type GroupUse } from './groups.js';

/** Attaches devices by groups and containers: /dev/vfio/vfio and /dev/vfio/GROUP. Thread: the one that made it. */
export class ContainerBackend implements Backend {
  readonly name = 'container';
  readonly #kernel: VfioKernel;
  readonly #groups: GroupTable;
  readonly #devices = new Set<string>();
  /** Groups and containers are joined and left by one attach or detach at a time. */
  readonly #lock = new Mutex();

  constructor(kernel: VfioKernel) {
    this.#kernel = kernel;
    this.#groups = new GroupTable(kernel);
  }

  attach(request: AttachRequest): Promise<AttachedDevice> {
    return this.#lock.run(async () => {
      try {
        return await this.#attach(request);
      } catch (error) {
        throw withContext(error, { device: request.name });
      }
    });
  }

  async #attach({ name, sysfsPath, space, reset, meanwhile }: AttachRequest): Promise<AttachedDevice> {
    if (this.#devices.has(name)) {
      throw systemError('EBUSY', 'attach', { device: name, hint: 'the device is attached already: detach it first' });
    }
    const undo = new Unwinding();
    try {
      const groupId = await queryGroup(this.#kernel.sysfs, sysfsPath, name);
      const use = await this.#groups.use(groupId, space);
      undo.push(() => use.release());
      const opening = this.#openDevice(use, name, undo);
      // The kernel opens the device on a thread of the pool; the space joins on this one.
      const joining = use.joinSpace();
      meanwhile?.();
      const [deviceFd] = await allOf([opening, joining]);
      const info = calling('getDeviceInfo', { device: name }, () => this.#kernel.getDeviceInfo(deviceFd));
      if (reset) await this.#reset(deviceFd, info, name);
      this.#devices.add(name);
      undo.push(() => void this.#devices.delete(name));
      return this.#attached(deviceFd, info, use, undo.release());
    } catch (error) {
      throw await undo.failed(error);
    }
  }

  async #openDevice({ group }: GroupUse, name: string, undo: Unwinding): Promise<Fd> {
    const fd = await calling('getDeviceFd', { device: name, path: group.path }, () =>
      this.#kernel.getDeviceFd(group.fd, name),
    );
    undo.push(() => this.#kernel.close(fd));
    return fd;
  }

  /** A device that cannot be reset works, with the state that its last user left it in. */
  async #reset(deviceFd: Fd, info: DeviceInfo, device: string): Promise<void> {
    if ((info.flags & VFIO_DEVICE_FLAGS_RESET) === 0) return;
    try {
      await calling('resetDevice', { device }, () => this.#kernel.resetDevice(deviceFd));
    } catch (error) {
      warn('the device could not be reset', error, device);
    }
  }

  #attached(deviceFd: Fd, info: DeviceInfo, { group }: GroupUse, undo: Unwinding): AttachedDevice {
    return {
      backend: this.name,
      kernel: this.#kernel,
      deviceFd,
      info,
      groupId: group.id,
      groupFd: (groupId) => this.#groups.fdOf(groupId),
      hasDma: !group.noiommu,
      detach: () => this.#lock.run(() => undo.runOrThrow()),
    };
  }
}
