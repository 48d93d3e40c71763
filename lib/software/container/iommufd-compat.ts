import { VFIO_NOIOMMU_IOMMU, VFIO_TYPE1_IOMMU, VFIO_TYPE1v2_IOMMU } from '../../uapi/vfio.js';
import { ReferenceCounted } from '../base/reference-counted.js';
import type { IommuDriver } from '../iommu/iommu-driver.js';
import type { ContainerGroup } from './container-group.js';
import { failWith } from '../base/errno-failure.js';

/**
 * An open /dev/iommu that takes the place of a container. It has one address space with the rules of type1. A group
 * enters the address space when its first device is opened. Source: drivers/iommu/iommufd/vfio_compat.c
 */
export class IommufdContext extends ReferenceCounted {
  #addressSpace: IommuDriver | null = null;
  #noiommu = false;
  readonly #openDevices = new Map<ContainerGroup, number>();

  constructor(
    private readonly enabled: boolean,
    private readonly createAddressSpace: () => IommuDriver,
  ) {
    super();
  }

  /** The address space, for calls that need one. @throws ENODEV before a group joined */
  get addressSpace(): IommuDriver {
    return this.#addressSpace ?? failWith('ENODEV');
  }

  /**
   * Lets a group use the iommufd in the place of a container.
   * @throws EBADFD if the machine has no iommufd, EINVAL if noiommu groups and others would mix
   */
  createCompatIoas(noiommu: boolean): void {
    if (!this.enabled) failWith('EBADFD');
    if (noiommu) {
      if (this.#addressSpace !== null) failWith('EINVAL');
      this.#noiommu = true;
      return;
    }
    if (this.#noiommu) failWith('EINVAL');
    this.#addressSpace ??= this.createAddressSpace();
  }

  /** Answers VFIO_CHECK_EXTENSION. @returns 0 for an extension that is not supported */
  checkExtension(extension: number): number {
    if (extension === VFIO_NOIOMMU_IOMMU) return this.#noiommu ? 1 : 0;
    return this.#addressSpace?.checkExtension(extension) ?? 0;
  }

  /** Performs VFIO_SET_IOMMU. @throws ENODEV before a group joined, EINVAL if `type` is not type1 (or noiommu) */
  async setIommu(type: number): Promise<void> {
    if (this.#noiommu && type === VFIO_NOIOMMU_IOMMU) return;
    if (type !== VFIO_TYPE1_IOMMU && type !== VFIO_TYPE1v2_IOMMU) failWith('EINVAL');
    if (this.#addressSpace === null) failWith('ENODEV');
    return Promise.resolve();
  }

  /**
   * Counts an opened device of a group. The first one attaches the group to the address space.
   * @throws EPERM if the group is not viable, and the errno of the attach
   */
  async attachGroup(group: ContainerGroup): Promise<void> {
    const open = this.#openDevices.get(group) ?? 0;
    if (open === 0 && group.type === 'iommu') {
      const iommuGroup = group.presentIommuGroup;
      iommuGroup.claimDmaOwner(this);
      try {
        await group.deviceLock.run(() => this.addressSpace.attachGroup(iommuGroup, group.type));
      } catch (error) {
        iommuGroup.releaseDmaOwner();
        throw error;
      }
    }
    this.#openDevices.set(group, open + 1);
  }

  /** Counts a closed device of a group. The last one takes the group out of the address space. */
  async detachGroup(group: ContainerGroup): Promise<void> {
    const open = (this.#openDevices.get(group) ?? 1) - 1;
    this.#openDevices.set(group, open);
    if (open > 0) return;
    this.#openDevices.delete(group);
    if (group.type !== 'iommu') return;
    await this.addressSpace.detachGroup(group.presentIommuGroup);
    group.presentIommuGroup.releaseDmaOwner();
  }

  protected override async release(): Promise<void> {
    await this.#addressSpace?.release();
  }
}
