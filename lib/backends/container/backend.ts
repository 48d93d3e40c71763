import { systemError, withContext } from '../../base/errors.js';
import { callKernel } from '../../kernel/hints.js';
import type { DeviceInfo, VfioKernel } from '../../kernel/kernel.js';
import { Mutex } from '../../base/mutex.js';
import { queryGroup } from '../../sysfs/iommu-group.js';
import { allOf, Unwinding } from '../../base/unwinding.js';
import type { AttachedDevice, AttachRequest, Backend } from '../backend.js';
import { DeviceDescriptor } from '../device-descriptor.js';
import { GroupTable, type GroupUse } from './group-table.js';

/** Attaches devices by their groups and a container: /dev/vfio/GROUP and /dev/vfio/vfio. Thread: the one that made it. */
export class ContainerBackend implements Backend {
  readonly name = 'container';
  readonly #kernel: VfioKernel;
  readonly #groups: GroupTable;
  readonly #devices = new Set<string>();
  /** One attach or detach changes groups and containers at a time. */
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

  async #attach({ name, sysfsPath, space, reset, onOpening }: AttachRequest): Promise<AttachedDevice> {
    if (this.#devices.has(name)) {
      throw systemError('EBUSY', 'attach', { device: name, hint: 'the device is already attached: detach it first' });
    }
    const undo = new Unwinding();
    try {
      const groupId = await queryGroup(this.#kernel.sysfs, sysfsPath, name);
      const use = await this.#groups.use(groupId, space);
      undo.push(() => use.release());
      const opening = this.#openDevice(use, name, undo);
      // The device opens on a call thread; this thread maps the memory of the space meanwhile.
      const joining = use.joinSpace();
      onOpening?.();
      const [opened] = await allOf([opening, joining]);
      const info = opened.info();
      if (reset) await opened.resetIfSupported(info);
      this.#devices.add(name);
      undo.push(() => void this.#devices.delete(name));
      return this.#attached(opened, info, use, undo.release());
    } catch (error) {
      throw await undo.failed(error);
    }
  }

  async #openDevice({ group }: GroupUse, name: string, undo: Unwinding): Promise<DeviceDescriptor> {
    const fd = await callKernel('getDeviceFd', { device: name, path: group.path }, () =>
      this.#kernel.getDeviceFd(group.fd, name),
    );
    const opened = new DeviceDescriptor(this.#kernel, fd, name);
    undo.push(() => opened.close());
    return opened;
  }

  #attached(opened: DeviceDescriptor, info: DeviceInfo, { group }: GroupUse, undo: Unwinding): AttachedDevice {
    return {
      backend: this.name,
      kernel: this.#kernel,
      deviceFd: opened.fd,
      info,
      groupId: group.id,
      groupFd: (groupId) => this.#groups.fdOf(groupId),
      hasDma: !group.noiommu,
      detach: (onClosing) => {
        opened.onClosing = onClosing;
        return this.#lock.run(() => undo.runOrThrow());
      },
    };
  }
}
