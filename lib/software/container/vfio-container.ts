import { VFIO_NOIOMMU_IOMMU } from '../../uapi/vfio.js';
import { ReferenceCounted } from '../base/reference-counted.js';
import type { IommuDriver, IommuDriverType } from '../iommu/iommu-driver.js';
import { Mutex } from '../../base/mutex.js';
import type { Caller } from '../base/caller.js';
import type { ContainerGroup } from './container-group.js';
import { ErrnoFailure, failWith } from '../base/errno-failure.js';

/**
 * A container: groups that share one IOMMU and its mappings. The open /dev/vfio/vfio and each group in the container
 * hold a reference. Source: drivers/vfio/container.c
 */
export class VfioContainer extends ReferenceCounted {
  /** Held while groups come and go, and while the IOMMU is set. Source: group_lock */
  readonly #lock = new Mutex();
  readonly #groups: ContainerGroup[] = [];
  #driver: IommuDriver | null = null;
  #noiommu = false;

  constructor(
    private readonly types: readonly IommuDriverType[],
    private readonly onRelease: (container: VfioContainer) => void,
  ) {
    super();
  }

  /** The IOMMU that VFIO_SET_IOMMU opened, null before. */
  get driver(): IommuDriver | null {
    return this.#driver;
  }

  /** The IOMMU, for calls that need one. @throws EINVAL before VFIO_SET_IOMMU */
  get usableDriver(): IommuDriver {
    return this.#driver ?? failWith('EINVAL');
  }

  /**
   * Answers VFIO_CHECK_EXTENSION: from the IOMMU that is set, otherwise from each type that suits the container's groups.
   * @returns 0 for an extension that is not supported
   */
  checkExtension(extension: number): number {
    if (this.#driver !== null) return this.#driver.checkExtension(extension);
    const asked = this.#groups.length === 0 ? this.types : this.#allowedTypes();
    return asked.map((type) => type.checkExtension(extension)).find((result) => result > 0) ?? 0;
  }

  /**
   * Performs VFIO_SET_IOMMU: opens an IOMMU and attaches the container's groups to it.
   * @throws EINVAL without a group, or if an IOMMU is set; ENODEV if no type has the extension; EPERM; the errno of
   *   the attach
   */
  setIommu(extension: number, caller: Caller): Promise<void> {
    return this.#lock.run(async () => {
      if (this.#groups.length === 0 || this.#driver !== null) failWith('EINVAL');
      let failure = new ErrnoFailure('ENODEV');
      for (const type of this.#allowedTypes()) {
        if (type.checkExtension(extension) <= 0) continue;
        try {
          this.#driver = await this.#start(type, extension, caller);
          return;
        } catch (error) {
          if (!(error instanceof ErrnoFailure)) throw error;
          failure = error;
        }
      }
      throw failure;
    });
  }

  /**
   * Adds a group. The caller holds the group's lock.
   * @throws EPERM if the group is not viable, or would mix noiommu groups with others; the errno of the attach
   */
  attachGroup(group: ContainerGroup, caller: Caller): Promise<void> {
    if (group.noiommu && !caller.capSysRawio) failWith('EPERM');
    return this.#lock.run(async () => {
      if (this.#groups.length > 0 && this.#noiommu !== group.noiommu) failWith('EPERM');
      const iommuGroup = group.presentIommuGroup;
      if (group.type === 'iommu') iommuGroup.claimDmaOwner(group);
      try {
        if (this.#driver !== null) await attachToDriver(this.#driver, group);
      } catch (error) {
        if (group.type === 'iommu') iommuGroup.releaseDmaOwner();
        throw error;
      }
      this.#noiommu = group.noiommu;
      this.#groups.push(group);
      this.get();
    });
  }

  /** Removes a group. The caller holds the group's lock. The last group closes the IOMMU and drops all mappings. */
  async detachGroup(group: ContainerGroup): Promise<void> {
    await this.#lock.run(async () => {
      const iommuGroup = group.presentIommuGroup;
      await this.#driver?.detachGroup(iommuGroup);
      if (group.type === 'iommu') iommuGroup.releaseDmaOwner();
      this.#groups.splice(this.#groups.indexOf(group), 1);
      if (this.#groups.length > 0) return;
      const driver = this.#driver;
      this.#driver = null;
      await driver?.release();
    });
    await this.put();
  }

  protected override release(): void {
    this.onRelease(this);
  }

  #allowedTypes(): IommuDriverType[] {
    return this.types.filter((type) => type.noiommu === this.#noiommu);
  }

  async #start(type: IommuDriverType, extension: number, caller: Caller): Promise<IommuDriver> {
    if (extension === VFIO_NOIOMMU_IOMMU && !caller.capSysRawio) failWith('EPERM');
    const driver = type.open(extension);
    const attached: ContainerGroup[] = [];
    try {
      // The kernel adds new groups at the head of its list, so that it attaches the newest group first.
      for (const group of this.#groups.toReversed()) {
        await attachToDriver(driver, group);
        attached.push(group);
      }
      return driver;
    } catch (error) {
      for (const group of attached.reverse()) await driver.detachGroup(group.presentIommuGroup);
      await driver.release();
      throw error;
    }
  }
}

/** Holds the group's device lock, so that no device of the group unregisters during the attach. */
function attachToDriver(driver: IommuDriver, group: ContainerGroup): Promise<void> {
  return group.deviceLock.run(() => driver.attachGroup(group.presentIommuGroup, group.type));
}
