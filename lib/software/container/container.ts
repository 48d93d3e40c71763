import { VFIO_NOIOMMU_IOMMU } from '../../uapi/vfio.js';
import { Counted } from '../counted.js';
import type { VfioGroup } from '../group/group.js';
import type { IommuDriver, IommuDriverType } from './iommu-driver.js';
import { Mutex } from '../mutex.js';
import type { SoftwareProcess } from '../machine/process.js';
import { Refusal, refuse } from '../refusal.js';

/**
 * What /dev/vfio/vfio stands for: groups that share one IOMMU context. Its descriptor and each group hold it.
 * Source: drivers/vfio/container.c
 */
export class Container extends Counted {
  readonly #lock = new Mutex();
  readonly #groups: VfioGroup[] = [];
  #driver: IommuDriver | null = null;
  #noiommu = false;

  constructor(
    private readonly types: readonly IommuDriverType[],
    private readonly onRelease: (container: Container) => void,
  ) {
    super();
  }

  /** The IOMMU that SET_IOMMU made. */
  get driver(): IommuDriver | null {
    return this.#driver;
  }

  /** The IOMMU for calls that need one. @throws EINVAL before SET_IOMMU */
  get usableDriver(): IommuDriver {
    return this.#driver ?? refuse('EINVAL');
  }

  /** CHECK_EXTENSION asks the IOMMU that is set, else each kind that the container's groups allow. */
  checkExtension(extension: number): number {
    if (this.#driver !== null) return this.#driver.checkExtension(extension);
    const asked = this.#groups.length === 0 ? this.types : this.#allowedTypes();
    return asked.map((type) => type.checkExtension(extension)).find((result) => result > 0) ?? 0;
  }

  /** Makes the IOMMU and puts the groups into it. @throws EINVAL, ENODEV, and what attaching a group throws */
  setIommu(extension: number, caller: SoftwareProcess): Promise<void> {
    return this.#lock.run(async () => {
      if (this.#groups.length === 0 || this.#driver !== null) refuse('EINVAL');
      let failure = new Refusal('ENODEV');
      for (const type of this.#allowedTypes()) {
        if (type.checkExtension(extension) <= 0) continue;
        try {
          this.#driver = await this.#start(type, extension, caller);
          return;
        } catch (error) {
          if (!(error instanceof Refusal)) throw error;
          failure = error;
        }
      }
      throw failure;
    });
  }

  /** Adds a group, whose lock the caller holds. @throws EPERM, and what attaching it to the IOMMU throws */
  attachGroup(group: VfioGroup, caller: SoftwareProcess): Promise<void> {
    if (group.noiommu && !caller.capSysRawio) refuse('EPERM');
    return this.#lock.run(async () => {
      if (this.#groups.length > 0 && this.#noiommu !== group.noiommu) refuse('EPERM');
      const iommuGroup = group.presentIommuGroup;
      if (group.type === 'iommu') iommuGroup.claimDmaOwner(group);
      try {
        if (this.#driver !== null) await this.#attachToDriver(this.#driver, group, caller);
      } catch (error) {
        if (group.type === 'iommu') iommuGroup.releaseDmaOwner();
        throw error;
      }
      this.#noiommu = group.noiommu;
      this.#groups.push(group);
      this.get();
    });
  }

  /** Takes a group out, whose lock the caller holds. The last one takes the IOMMU and all mappings with it. */
  async detachGroup(group: VfioGroup): Promise<void> {
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

  async #start(type: IommuDriverType, extension: number, caller: SoftwareProcess): Promise<IommuDriver> {
    if (extension === VFIO_NOIOMMU_IOMMU && !caller.capSysRawio) refuse('EPERM');
    const driver = type.open(extension);
    const attached: VfioGroup[] = [];
    try {
      // The kernel keeps its newest group first.
      for (const group of this.#groups.toReversed()) {
        await this.#attachToDriver(driver, group, caller);
        attached.push(group);
      }
      return driver;
    } catch (error) {
      for (const group of attached.reverse()) await driver.detachGroup(group.presentIommuGroup);
      await driver.release();
      throw error;
    }
  }

  /** While a group is attached, none of its devices can unregister. */
  #attachToDriver(driver: IommuDriver, group: VfioGroup, caller: SoftwareProcess): Promise<void> {
    return group.deviceLock.run(() => driver.attachGroup(group.presentIommuGroup, group.type, caller));
  }
}
