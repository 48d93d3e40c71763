import { VFIO_GROUP_FLAGS_CONTAINER_SET, VFIO_GROUP_FLAGS_VIABLE } from '../../uapi/vfio.js';
import type { GroupStatus } from '../../kernel/kernel.js';
import { Container } from '../container/container.js';
import { Counted } from '../counted.js';
import type { IommufdContext } from './iommufd-compat.js';
import type { IommuGroup } from './iommu-group.js';
import { Mutex } from '../mutex.js';
import type { SoftwareProcess } from '../machine/process.js';
import { refuse } from '../refusal.js';
import type { KvmReference, VfioDevice } from './vfio-device.js';

/** `emulated` is a mediated device's: its DMA passes the driver's hands. */
export type VfioGroupType = 'iommu' | 'emulated' | 'noiommu';

/** sizeof(struct vfio_group_status) */
const STATUS_SIZE = 8;

/**
 * A group as its users see it, /dev/vfio/N. It lives while devices are registered in it (`drivers`), and for those who
 * have it open beyond that: revoked, without its IOMMU group. Source: drivers/vfio/group.c
 */
export class VfioGroup {
  /** Held while the container, the iommufd, the open file or the open devices change. */
  readonly lock = new Mutex();
  /** Held while devices register and unregister, and while the group is attached to an IOMMU. */
  readonly deviceLock = new Mutex();
  readonly devices: VfioDevice[] = [];
  /** How many devices are bound to VFIO drivers. */
  drivers = 1;
  kvm: KvmReference | null = null;
  #iommuGroup: IommuGroup | null;
  #openedFile: GroupFile | null = null;
  #container: Container | null = null;
  #containerUsers = 0;
  #iommufd: IommufdContext | null = null;

  constructor(
    iommuGroup: IommuGroup,
    readonly type: VfioGroupType,
  ) {
    this.#iommuGroup = iommuGroup;
    this.name = `${type === 'noiommu' ? 'noiommu-' : ''}${iommuGroup.id}`;
  }

  readonly name: string;

  get noiommu(): boolean {
    return this.type === 'noiommu';
  }

  get path(): string {
    return `/dev/vfio/${this.name}`;
  }

  get container(): Container | null {
    return this.#container;
  }

  get iommufd(): IommufdContext | null {
    return this.#iommufd;
  }

  /** The group of the IOMMU's, null once revoked. */
  get iommuGroup(): IommuGroup | null {
    return this.#iommuGroup;
  }

  /** The group of the IOMMU's. @throws ENODEV once revoked */
  get presentIommuGroup(): IommuGroup {
    return this.#iommuGroup ?? refuse('ENODEV');
  }

  get hasIommu(): boolean {
    return this.#container !== null || this.#iommufd !== null;
  }

  /** open(/dev/vfio/N). @throws ENODEV, EPERM, EBUSY */
  open(caller: SoftwareProcess): Promise<GroupFile> {
    return this.lock.run(() => {
      if (this.drivers === 0) refuse('ENODEV');
      if (this.noiommu && !caller.capSysRawio) refuse('EPERM');
      if (this.#openedFile !== null) refuse('EBUSY');
      this.#openedFile = new GroupFile(this);
      return this.#openedFile;
    });
  }

  /** The last user of the open file is gone. */
  closeFile(): Promise<void> {
    return this.lock.run(async () => {
      await this.#leaveIommu();
      this.#openedFile = null;
    });
  }

  /** @throws EINVAL for an `argsz` too small, ENODEV once revoked */
  getStatus(argsz: number | undefined): GroupStatus {
    if (argsz !== undefined && argsz < STATUS_SIZE) refuse('EINVAL');
    const iommuGroup = this.presentIommuGroup;
    if (this.hasIommu) return { flags: VFIO_GROUP_FLAGS_CONTAINER_SET | VFIO_GROUP_FLAGS_VIABLE };
    return { flags: iommuGroup.dmaOwnerClaimed ? 0 : VFIO_GROUP_FLAGS_VIABLE };
  }

  /** Joins a container, or an iommufd in a container's place. @throws EINVAL, ENODEV, EBADFD, EPERM */
  setContainer(target: Container | IommufdContext | null, caller: SoftwareProcess): Promise<void> {
    return this.lock.run(async () => {
      if (this.hasIommu) refuse('EINVAL');
      if (this.#iommuGroup === null) refuse('ENODEV');
      if (target === null) refuse('EBADFD');
      if (target instanceof Container) {
        await target.attachGroup(this, caller);
        this.#container = target;
        this.#containerUsers = 1;
      } else {
        target.createCompatIoas(this.noiommu);
        this.#iommufd = target.get();
      }
    });
  }

  /** @throws EINVAL without a container, EBUSY while devices are open */
  unsetContainer(): Promise<void> {
    return this.lock.run(async () => {
      if (!this.hasIommu) refuse('EINVAL');
      if (this.#container !== null && this.#containerUsers !== 1) refuse('EBUSY');
      await this.#leaveIommu();
    });
  }

  /** Finds a device by its driver's comparison and registers a use of it. @throws ENODEV, and what the driver throws */
  findDevice(argument: string): Promise<VfioDevice> {
    return this.deviceLock.run(
      () =>
        this.devices.find((device) => device.driver.match(argument) && device.tryGetRegistration()) ?? refuse('ENODEV'),
    );
  }

  /** Counts a device's first open; the caller holds `lock`. @throws EINVAL before SET_IOMMU, EPERM */
  useContainer(caller: SoftwareProcess): void {
    if (this.#container?.driver == null) refuse('EINVAL');
    if (this.noiommu && !caller.capSysRawio) refuse('EPERM');
    this.#openedFile?.get();
    this.#containerUsers += 1;
  }

  /** Counts a device's last close; the caller holds `lock`. @returns what drops the group's file, for after the lock */
  unuseContainer(): () => Promise<void> {
    this.#containerUsers -= 1;
    const file = this.#openedFile;
    return async () => file?.put();
  }

  /**
   * Takes the group from its users: the last driver left, so that none of its devices is open.
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

/** An open /dev/vfio/N: its descriptors hold it, and so do the open devices of the group. */
export class GroupFile extends Counted {
  readonly kind = 'group';

  constructor(readonly group: VfioGroup) {
    super();
  }

  protected override release(): Promise<void> {
    return this.group.closeFile();
  }
}
