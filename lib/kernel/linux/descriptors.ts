import { addon } from '../../native/addon.js';
import type { Fd } from '../kernel.js';
import { toPromise } from '../../base/sync-or-async.js';

/**
 * Tracks what the open descriptors stand for, to tell slow calls on them from fast ones. A slow call runs on a call
 * thread. A fast call runs directly, because a thread costs more than the call: half a millisecond in a guest without KVM.
 *
 * An address space is a container or an iommufd. Its members are groups or devices. Calls that change the members of an
 * address space are slow if something is mapped in it: a new member gets all mappings, and the last one that leaves takes
 * them down. To close a device is slow because it resets the device.
 */
class LinuxDescriptors {
  readonly #devices = new Set<Fd>();
  /** The address spaces in which something was mapped. */
  readonly #mapped = new Set<Fd>();
  /** The address space of each member. */
  readonly #spaces = new Map<Fd, Fd>();

  /** Notes that a device was opened. @returns its descriptor */
  addDevice(device: Fd): Fd {
    this.#devices.add(device);
    return device;
  }

  /** Notes that a group joined a container, or that a device was bound to an iommufd. */
  noteJoined(member: Fd, space: Fd): void {
    this.#spaces.set(member, space);
  }

  /** Notes that a group left its container. When the last group leaves, the container loses its IOMMU and its mappings. */
  noteLeft(member: Fd): void {
    const space = this.#spaces.get(member);
    this.#spaces.delete(member);
    if (space === undefined || [...this.#spaces.values()].includes(space)) return;
    this.#mapped.delete(space);
  }

  /** Notes that something is about to be mapped in an address space. */
  noteMapped(space: Fd): void {
    this.#mapped.add(space);
  }

  /** Tells whether an address space may have mappings. */
  isMapped(space: Fd): boolean {
    return this.#mapped.has(space);
  }

  /** Tells whether the address space of a group or device may have mappings. */
  isInMappedSpace(member: Fd): boolean {
    const space = this.#spaces.get(member);
    return space !== undefined && this.#mapped.has(space);
  }

  /** Closes a descriptor: on a call thread if that is slow, else directly. @throws EBADF */
  close(fd: Fd): Promise<void> {
    const among = this.isInMappedSpace(fd);
    this.#spaces.delete(fd);
    const slow = this.#devices.delete(fd) || this.#mapped.delete(fd) || among;
    return slow ? addon.closeFd(fd) : toPromise(() => addon.closeFdSync(fd));
  }
}

/** The descriptors of this thread's kernel objects. */
export const linuxDescriptors = new LinuxDescriptors();
