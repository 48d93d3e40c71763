import { VFIO_GROUP_STATUS_MINSZ } from '../../uapi/vfio-sizes.js';
import { VFIO_GROUP_FLAGS_CONTAINER_SET, VFIO_GROUP_FLAGS_VIABLE } from '../../uapi/vfio.js';
import type { GroupStatus } from '../../kernel/kernel.js';
import { VfioContainer } from '../container/vfio-container.js';
import { ReferenceCounted } from '../base/reference-counted.js';
import type { IommufdContext } from '../iommufd/iommufd-context.js';
import type { Caller } from '../base/caller.js';
import type { ContainerGroup } from '../container/container-group.js';
import type { VfioGroupType } from '../iommu/iommu-driver.js';
import type { IommuGroup } from '../iommu/iommu-group.js';
import type { DeviceFile } from './device-file.js';
import { Mutex } from '../../base/mutex.js';
import { failWith } from '../base/errno-failure.js';

/** A virtual machine of KVM, which the devices of a group hold while they are open. */
export interface KvmReference {
  /** Takes a reference. @returns false if the virtual machine is going away */
  tryGet(): boolean;
  /** Drops a reference. */
  put(): void;
}

/** A registered device, as its group and the user of the group use it. `VfioDevice` implements it. */
export interface GroupDevice {
  readonly name: string;
  readonly enforcesCoherency: boolean;
  /** Tells whether the argument of VFIO_GROUP_GET_DEVICE_FD means this device. @throws ErrnoFailure */
  match(argument: string): boolean;
  /** Counts a use of the device. @returns false if the device is unregistered and has no user */
  tryGetRegistration(): boolean;
  /** Ends a use of the device. */
  putRegistration(): void;
  /** Opens the device. On success the new file owns the caller's registration. @throws EINVAL, EPERM, the driver's errno */
  open(caller: Caller): Promise<DeviceFile>;
}

/**
 * A VFIO group, /dev/vfio/N. It exists while devices of it are bound to VFIO drivers (`drivers`). A file that is open
 * longer keeps the revoked group, which has no IOMMU group. Source: drivers/vfio/group.c
 */
export class VfioGroup implements ContainerGroup {
  /** The file name under /dev/vfio: `26`, or `noiommu-0`. */
  readonly name: string;
  /** Held while the container, the iommufd, the open file or the open devices change. Source: group_lock */
  readonly lock = new Mutex();
  /** Held while devices register and unregister, and while the group enters an IOMMU. Source: device_lock */
  readonly deviceLock = new Mutex();
  readonly devices: GroupDevice[] = [];
  /** How many devices are bound to VFIO drivers. */
  drivers = 1;
  /** The virtual machine that the group's file was linked to. */
  kvm: KvmReference | null = null;
  #iommuGroup: IommuGroup | null;
  #openedFile: GroupFile | null = null;
  /** How many of its devices are bound through their own nodes. */
  #boundCdevs = 0;
  #container: VfioContainer | null = null;
  #containerUsers = 0;
  #iommufd: IommufdContext | null = null;

  constructor(
    iommuGroup: IommuGroup,
    readonly type: VfioGroupType,
  ) {
    this.#iommuGroup = iommuGroup;
    this.name = `${type === 'noiommu' ? 'noiommu-' : ''}${iommuGroup.id}`;
  }

  get noiommu(): boolean {
    return this.type === 'noiommu';
  }

  get path(): string {
    return `/dev/vfio/${this.name}`;
  }

  get container(): VfioContainer | null {
    return this.#container;
  }

  get iommufd(): IommufdContext | null {
    return this.#iommufd;
  }

  /** The IOMMU group, null after the group was revoked. */
  get iommuGroup(): IommuGroup | null {
    return this.#iommuGroup;
  }

  /** @throws ENODEV after the group was revoked */
  get presentIommuGroup(): IommuGroup {
    return this.#iommuGroup ?? failWith('ENODEV');
  }

  get hasIommu(): boolean {
    return this.#container !== null || this.#iommufd !== null;
  }

  /** Opens /dev/vfio/N. @throws ENODEV after it was revoked, EPERM without CAP_SYS_RAWIO, EBUSY if it or a device of it is open */
  open(caller: Caller): Promise<GroupFile> {
    return this.lock.run(() => {
      if (this.drivers === 0) failWith('ENODEV');
      if (this.noiommu && !caller.capSysRawio) failWith('EPERM');
      if (this.#boundCdevs > 0 || this.#openedFile !== null) failWith('EBUSY');
      this.#openedFile = new GroupFile(this);
      return this.#openedFile;
    });
  }

  /** Keeps the group from being opened, because a device of it is bound through its own node. @throws EBUSY if the group is open */
  blockOpen(): Promise<void> {
    return this.lock.run(() => {
      if (this.#openedFile !== null) failWith('EBUSY');
      this.#boundCdevs += 1;
    });
  }

  /** Ends what `blockOpen` began. */
  unblockOpen(): Promise<void> {
    return this.lock.run(() => {
      this.#boundCdevs -= 1;
    });
  }

  /** Leaves the container or the iommufd. Runs when the last reference to the open file is dropped. */
  closeFile(): Promise<void> {
    return this.lock.run(async () => {
      await this.#leaveIommu();
      this.#openedFile = null;
    });
  }

  /** Answers VFIO_GROUP_GET_STATUS. @throws EINVAL if `argsz` is too small, ENODEV after the group was revoked */
  getStatus(argsz: number | undefined): GroupStatus {
    if (argsz !== undefined && argsz < VFIO_GROUP_STATUS_MINSZ) failWith('EINVAL');
    const iommuGroup = this.presentIommuGroup;
    if (this.hasIommu) return { flags: VFIO_GROUP_FLAGS_CONTAINER_SET | VFIO_GROUP_FLAGS_VIABLE };
    return { flags: iommuGroup.dmaOwnerClaimed ? 0 : VFIO_GROUP_FLAGS_VIABLE };
  }

  /**
   * Performs VFIO_GROUP_SET_CONTAINER: joins a container, or an iommufd in its place.
   * @param target null for a file that is neither
   * @throws EINVAL if the group has a container, ENODEV after it was revoked, EBADFD for a null `target`, EPERM
   */
  setContainer(target: VfioContainer | IommufdContext | null, caller: Caller): Promise<void> {
    return this.lock.run(async () => {
      if (this.hasIommu) failWith('EINVAL');
      if (this.#iommuGroup === null) failWith('ENODEV');
      if (target === null) failWith('EBADFD');
      if (target instanceof VfioContainer) {
        await target.attachGroup(this, caller);
        this.#container = target;
        this.#containerUsers = 1;
      } else {
        target.compat.join(this.noiommu);
        this.#iommufd = target.get();
      }
    });
  }

  /** Performs VFIO_GROUP_UNSET_CONTAINER. @throws EINVAL without a container, EBUSY while devices are open */
  unsetContainer(): Promise<void> {
    return this.lock.run(async () => {
      if (!this.hasIommu) failWith('EINVAL');
      if (this.#container !== null && this.#containerUsers !== 1) failWith('EBUSY');
      await this.#leaveIommu();
    });
  }

  /** Finds the device that its driver matches, and counts a use of it. @throws ENODEV, and the errno of the driver */
  findDevice(argument: string): Promise<GroupDevice> {
    return this.deviceLock.run(
      () => this.devices.find((device) => device.match(argument) && device.tryGetRegistration()) ?? failWith('ENODEV'),
    );
  }

  /** Counts the first open of a device. The caller holds `lock`. @throws EINVAL before VFIO_SET_IOMMU, EPERM */
  useContainer(caller: Caller): void {
    if (this.#container?.driver == null) failWith('EINVAL');
    if (this.noiommu && !caller.capSysRawio) failWith('EPERM');
    this.#openedFile?.get();
    this.#containerUsers += 1;
  }

  /**
   * Counts the last close of a device. The caller holds `lock`.
   * @returns a function that drops the group's file, which the caller runs after it released `lock`
   */
  unuseContainer(): () => Promise<void> {
    this.#containerUsers -= 1;
    const file = this.#openedFile;
    return async () => file?.put();
  }

  /**
   * Takes the group from its user: no device of it is bound to a VFIO driver, and none is open.
   * Source: vfio_device_remove_group
   */
  revoke(): Promise<void> {
    return this.lock.run(async () => {
      if (this.#container !== null) await this.#leaveIommu();
      this.#iommuGroup = null;
    });
  }

  async #leaveIommu(): Promise<void> {
    const container = this.#container;
    const iommufd = this.#iommufd;
    this.#container = null;
    this.#containerUsers = 0;
    this.#iommufd = null;
    await container?.detachGroup(this);
    await iommufd?.put();
  }
}

/** An open /dev/vfio/N. Its descriptors hold it, and so do the open devices of the group. */
export class GroupFile extends ReferenceCounted {
  constructor(readonly group: VfioGroup) {
    super();
  }

  protected override release(): Promise<void> {
    return this.group.closeFile();
  }
}
