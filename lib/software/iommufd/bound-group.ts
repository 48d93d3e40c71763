import { Mutex } from '../../base/mutex.js';
import { failWith } from '../base/errno-failure.js';
import type { GroupMember, IommuGroup } from '../iommu/iommu-group.js';
import type { Hwpt } from './hwpt.js';

/**
 * An IOMMU group, as one iommufd has it: the page table of the group, and which of its devices are attached to it. The first device that
 * is attached attaches the whole group. Source: struct iommufd_group
 */
export class BoundGroup {
  readonly #lock = new Mutex();
  readonly #attached = new Set<GroupMember>();
  #hwpt: Hwpt | null = null;
  /** How many devices of the group are bound to the iommufd. */
  users = 0;

  constructor(readonly iommuGroup: IommuGroup) {}

  /**
   * Attaches a device to a page table.
   * @throws EINVAL if the group has another page table, or the IOMMU of the group cannot use this one; EADDRINUSE if a reserved
   *   range of the device is mapped or allowed; EBUSY
   */
  attach(device: GroupMember, hwpt: Hwpt): Promise<void> {
    return this.#lock.run(async () => {
      if (this.#hwpt !== null && this.#hwpt !== hwpt) failWith('EINVAL');
      await this.#reserve(device, hwpt);
      if (this.#attached.size === 0) {
        try {
          if (!hwpt.fits(this.iommuGroup)) failWith('EINVAL');
          await this.iommuGroup.attach(hwpt.domain);
        } catch (error) {
          hwpt.ioas.table.reservations.remove(device);
          throw error;
        }
        this.#hwpt = hwpt;
      }
      hwpt.users += 1;
      this.#attached.add(device);
    });
  }

  /**
   * Moves the group to another page table.
   * @returns the page table that the group has left, still used by the caller; null if it did not change
   * @throws EINVAL if the device is not attached, or the IOMMU of the group cannot use the page table; EADDRINUSE
   */
  replace(device: GroupMember, hwpt: Hwpt): Promise<Hwpt | null> {
    return this.#lock.run(async () => {
      const old = this.#hwpt;
      if (old === null || !this.#attached.has(device)) failWith('EINVAL');
      if (old === hwpt) return null;
      const otherIoas = old.ioas !== hwpt.ioas;
      try {
        if (otherIoas) for (const each of this.#attached) await this.#reserve(each, hwpt);
        if (!hwpt.fits(this.iommuGroup)) failWith('EINVAL');
        await this.iommuGroup.replace(hwpt.domain);
      } catch (error) {
        if (otherIoas) this.#endReservations(hwpt);
        throw error;
      }
      if (otherIoas) this.#endReservations(old);
      this.#hwpt = hwpt;
      hwpt.users += this.#attached.size;
      old.users -= this.#attached.size - 1;
      return old;
    });
  }

  /** Detaches a device. The last one detaches the group. @returns the page table, still used by the caller */
  detach(device: GroupMember): Promise<Hwpt> {
    return this.#lock.run(() => {
      const hwpt = this.#hwpt as Hwpt;
      this.#attached.delete(device);
      if (this.#attached.size === 0) {
        this.iommuGroup.detach();
        this.#hwpt = null;
      }
      hwpt.ioas.table.reservations.remove(device);
      return hwpt;
    });
  }

  #reserve(device: GroupMember, { ioas }: Hwpt): Promise<void> {
    return ioas.table.reserveAll(this.iommuGroup.reservedRegionsOf(device), device);
  }

  #endReservations({ ioas }: Hwpt): void {
    for (const each of this.#attached) ioas.table.reservations.remove(each);
  }
}
