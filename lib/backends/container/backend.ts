import { systemError, withContext } from '../../base/errors.js';
import { warn } from '../../base/diagnostics.js';
import { callKernel } from '../../kernel/hints.js';
import type { DeviceInfo, Fd, VfioKernel } from '../../kernel/kernel.js';
import { Mutex } from '../../base/mutex.js';
import { queryGroup } from '../../sysfs/iommu-group.js';
import { VFIO_DEVICE_FLAGS_RESET } from '../../uapi/vfio.js';
import { allOf, Unwinding } from '../../base/unwinding.js';
import type { AttachedDevice, AttachRequest, Backend } from '../backend.js';
import { OpenedDevice } from '../opened-device.js';
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
      const [opened] = await allOf([opening, joining]);
      const info = callKernel('getDeviceInfo', { device: name }, () => this.#kernel.getDeviceInfo(opened.fd));
      if (reset) await this.#reset(opened.fd, info, name);
      this.#devices.add(name);
      undo.push(() => void this.#devices.delete(name));
      return this.#attached(opened, info, use, undo.release());
    } catch (error) {
      throw await undo.failed(error);
    }
  }

  async #openDevice({ group }: GroupUse, name: string, undo: Unwinding): Promise<OpenedDevice> {
    const fd = await callKernel('getDeviceFd', { device: name, path: group.path }, () =>
      this.#kernel.getDeviceFd(group.fd, name),
    );
    const opened = new OpenedDevice(this.#kernel, fd);
    undo.push(() => opened.close());
    return opened;
  }

  /** A device that cannot be reset works, with the state that its last user left it in. */
  async #reset(deviceFd: Fd, info: DeviceInfo, device: string): Promise<void> {
    if ((info.flags & VFIO_DEVICE_FLAGS_RESET) === 0) return;
    try {
      await callKernel('resetDevice', { device }, () => this.#kernel.resetDevice(deviceFd));
    } catch (error) {
      warn('the device could not be reset', error, device);
    }
  }

  #attached(opened: OpenedDevice, info: DeviceInfo, { group }: GroupUse, undo: Unwinding): AttachedDevice {
    return {
      backend: this.name,
      kernel: this.#kernel,
      deviceFd: opened.fd,
      info,
      groupId: group.id,
      groupFd: (groupId) => this.#groups.fdOf(groupId),
      hasDma: !group.noiommu,
      detach: (meanwhile) => {
        opened.meanwhile = meanwhile;
        return this.#lock.run(() => undo.runOrThrow());
      },
    };
  }
}
