import { addon } from '../../native/addon.js';
import type { Fd } from '../kernel.js';
import { toPromise } from '../../base/sync-or-async.js';

/**
 * What the kernel's descriptors are, to tell the calls on them that take their time from those that do not. A thread of the
 * pool costs more than a short call does: half a millisecond a call in a guest without KVM.
 *
 * An address space is a container or an iommufd; its members are groups or devices.
 */
class LinuxDescriptors {
  readonly #devices = new Set<Fd>();
  /** Address spaces in which something was mapped: what joins gets all of it, what leaves or closes loses it. */
  readonly #mapped = new Set<Fd>();
  readonly #spaces = new Map<Fd, Fd>();

  /** A device was opened: to close it for the last time is to reset it. */
  addDevice(device: Fd): Fd {
    this.#devices.add(device);
    return device;
  }

  /** A group has joined a container, or a device is bound to an iommufd. */
  noteJoined(member: Fd, space: Fd): void {
    this.#spaces.set(member, space);
  }

  /** A group has left its container; the last one took the IOMMU with it. */
  noteLeft(member: Fd): void {
    const space = this.#spaces.get(member);
    this.#spaces.delete(member);
    if (space === undefined || [...this.#spaces.values()].includes(space)) return;
    this.#mapped.delete(space);
  }

  /** Something is about to be mapped. */
  noteMapped(space: Fd): void {
    this.#mapped.add(space);
  }

  /** Whether an address space may hold mappings. */
  isMapped(space: Fd): boolean {
    return this.#mapped.has(space);
  }

  /** Whether the address space that a group or device is in may hold mappings. */
  isInMappedSpace(member: Fd): boolean {
    const space = this.#spaces.get(member);
    return space !== undefined && this.#mapped.has(space);
  }

  /** Closes a descriptor, on this thread where that takes no time. @throws EBADF */
  close(fd: Fd): Promise<void> {
    const among = this.isInMappedSpace(fd);
    this.#spaces.delete(fd);
    const slow = this.#devices.delete(fd) || this.#mapped.delete(fd) || among;
    return slow ? addon.closeFd(fd) : toPromise(() => addon.closeFdSync(fd));
  }
}

/** The process's. */
export const linuxDescriptors = new LinuxDescriptors();
