import { VFIO_NOIOMMU_IOMMU, VFIO_TYPE1_IOMMU, VFIO_TYPE1v2_IOMMU } from '../../uapi/vfio.js';
import { Counted } from '../counted.js';
import type { VfioGroup } from './group.js';
import type { IommuDriver } from '../container/iommu-driver.js';
import type { SoftwareProcess } from '../machine/process.js';
import { refuse } from '../refusal.js';

/**
 * An open /dev/iommu in a container's place: one address space of type1's manners, which a group's devices enter when
 * they are opened. Source: drivers/iommu/iommufd/vfio_compat.c
 */
export class IommufdContext extends Counted {
  readonly kind = 'iommufd';
  #addressSpace: IommuDriver | null = null;
  #noiommu = false;
  readonly #openDevices = new Map<VfioGroup, number>();

  constructor(
    private readonly enabled: boolean,
    private readonly createAddressSpace: () => IommuDriver,
  ) {
    super();
  }

  /** The address space of the compatibility mode. @throws ENODEV when no group made one */
  get addressSpace(): IommuDriver {
    return this.#addressSpace ?? refuse('ENODEV');
  }

  /** A group takes this for its container. @throws EBADFD where the machine has no iommufd, EINVAL when kinds mix */
  createCompatIoas(noiommu: boolean): void {
    if (!this.enabled) refuse('EBADFD');
    if (noiommu) {
      if (this.#addressSpace !== null) refuse('EINVAL');
      this.#noiommu = true;
      return;
    }
    if (this.#noiommu) refuse('EINVAL');
    this.#addressSpace ??= this.createAddressSpace();
  }

  checkExtension(extension: number): number {
    if (extension === VFIO_NOIOMMU_IOMMU) return this.#noiommu ? 1 : 0;
    return this.#addressSpace?.checkExtension(extension) ?? 0;
  }

  /** @throws ENODEV without a group, EINVAL for a type that the mode does not know */
  async setIommu(type: number): Promise<void> {
    if (this.#noiommu && type === VFIO_NOIOMMU_IOMMU) return;
    if (type !== VFIO_TYPE1_IOMMU && type !== VFIO_TYPE1v2_IOMMU) refuse('EINVAL');
    if (this.#addressSpace === null) refuse('ENODEV');
    return Promise.resolve();
  }

  /** The first device of a group brings the group into the address space. @throws EPERM when it is not viable */
  async attachGroup(group: VfioGroup, caller: SoftwareProcess): Promise<void> {
    const open = this.#openDevices.get(group) ?? 0;
    if (open === 0 && group.type === 'iommu') {
      const iommuGroup = group.presentIommuGroup;
      iommuGroup.claimDmaOwner(this);
      try {
        await group.deviceLock.run(() => this.addressSpace.attachGroup(iommuGroup, group.type, caller));
      } catch (error) {
        iommuGroup.releaseDmaOwner();
        throw error;
      }
    }
    this.#openDevices.set(group, open + 1);
  }

  async detachGroup(group: VfioGroup): Promise<void> {
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
