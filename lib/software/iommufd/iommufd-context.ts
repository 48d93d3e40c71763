import type { MemlockAccount } from '../base/caller.js';
import { failWith } from '../base/errno-failure.js';
import { ReferenceCounted } from '../base/reference-counted.js';
import type { IommuDomain } from '../iommu/domain.js';
import type { VfioGroupType } from '../iommu/iommu-driver.js';
import type { GroupMember, IommuGroup } from '../iommu/iommu-group.js';
import { Access } from './access.js';
import { BoundDevice, type Binding } from './bound-device.js';
import { BoundGroup } from './bound-group.js';
import { Hwpt, type HwptOptions } from './hwpt.js';
import type { IoPageTableEnvironment } from './io-page-table.js';
import { Ioas } from './ioas.js';
import { ObjectTable } from './objects.js';
import { VfioCompat } from './vfio-compat.js';

/** The parts of the machine that an iommufd uses. */
export interface IommufdEnvironment extends IoPageTableEnvironment {
  readonly settings: IoPageTableEnvironment['settings'] & {
    /** The module parameter iommufd.allow_unsafe_interrupts. */
    readonly allowUnsafeInterrupts: boolean;
    /** The page sizes of the IOMMU, as bytes. */
    readonly pageSizes: bigint;
    /** Whether the IOMMU can track the pages that devices write. */
    readonly dirtyTracking: boolean;
  };
  readonly createDomain: () => IommuDomain;
}

/**
 * An open /dev/iommu: its objects, and the groups of the devices that are bound to it. A bound device and a group that uses it as a
 * container hold a reference. Source: struct iommufd_ctx
 */
export class IommufdContext extends ReferenceCounted {
  readonly objects = new ObjectTable();
  /** The ioctls of a container. */
  readonly compat: VfioCompat;
  /** Whether pinned memory is counted by process. By user otherwise. Source: IOMMU_OPTION_RLIMIT_MODE */
  countsByProcess = false;
  readonly #groups = new Map<IommuGroup, BoundGroup>();

  constructor(readonly environment: IommufdEnvironment) {
    super();
    this.compat = new VfioCompat(this);
  }

  /** Makes an IOAS. */
  allocIoas(): Ioas {
    return this.objects.add(new Ioas(this.environment));
  }

  createDomain(): IommuDomain {
    return this.environment.createDomain();
  }

  /**
   * Binds a device for its driver.
   * @returns null for a device without an IOMMU, for which nothing is to be done
   * @throws EPERM if the platform does not isolate the interrupts of the group, or if an ordinary driver, a container or another
   *   iommufd owns the DMA of the group
   */
  bind(member: GroupMember, iommuGroup: IommuGroup, type: VfioGroupType): Binding | null {
    if (type === 'noiommu') return null;
    if (type === 'emulated') return this.objects.add(new Access(this.get(), iommuGroup));
    iommuGroup.requireIsolatedInterrupts(this.environment.settings.allowUnsafeInterrupts, member.name);
    iommuGroup.claimDeviceDmaOwner(this);
    const group = this.#groups.get(iommuGroup) ?? new BoundGroup(iommuGroup);
    this.#groups.set(iommuGroup, group);
    group.users += 1;
    return this.objects.add(new BoundDevice(this.get(), member, group));
  }

  async endBinding(group: BoundGroup): Promise<void> {
    group.iommuGroup.releaseDeviceDmaOwner();
    group.users -= 1;
    if (group.users === 0) this.#groups.delete(group.iommuGroup);
    await this.put();
  }

  async makeHwpt(ioas: Ioas, group: BoundGroup, options: HwptOptions): Promise<Hwpt> {
    const { pageSizes } = this.environment.settings;
    const domain = this.createDomain();
    try {
      const hwpt = new Hwpt(ioas, domain, { group: group.iommuGroup, pageSizes }, options);
      await hwpt.fill();
      return hwpt;
    } catch (error) {
      domain.close();
      throw error;
    }
  }

  hwptsOf(ioas: Ioas): Hwpt[] {
    return this.objects.all.filter((object) => object instanceof Hwpt).filter((hwpt) => hwpt.ioas === ioas);
  }

  /** Returns an IOAS. @throws ENOENT for another id */
  ioas(id: number): Ioas {
    const object = this.objects.get(id);
    return object instanceof Ioas ? object : failWith('ENOENT');
  }

  /** Returns a page table. @throws ENOENT for another id */
  hwpt(id: number): Hwpt {
    const object = this.objects.get(id);
    return object instanceof Hwpt ? object : failWith('ENOENT');
  }

  /** Returns a physical device. @throws ENOENT for another id */
  device(id: number): BoundDevice {
    const object = this.objects.get(id);
    return object instanceof BoundDevice ? object : failWith('ENOENT');
  }

  protected override release(): Promise<void> {
    return this.objects.destroyAll();
  }
}

/** A call of a process on an iommufd. */
export interface IommufdCall {
  readonly context: IommufdContext;
  /** Pays for pinned memory. */
  readonly account: MemlockAccount;
}
