import { addon } from '../native/addon.js';
import type { Fd } from './kernel.js';

/**
 * What the kernel's descriptors are, to tell the calls on them that take their time from those that do not. A thread of the
 * pool costs more than a short call does: half a millisecond a call in a guest without KVM.
 */
class LinuxFiles {
  readonly #devices = new Set<Fd>();
  /** Containers with an IOMMU: what joins gets all of their mappings, and closing one unmaps them. */
  readonly #withIommu = new Set<Fd>();
  readonly #containers = new Map<Fd, Fd>();

  /** A device was opened: to close it for the last time is to reset it. */
  addDevice(device: Fd): Fd {
    this.#devices.add(device);
    return device;
  }

  /** A group has joined a container. */
  joined(group: Fd, container: Fd): void {
    this.#containers.set(group, container);
  }

  /** A group has left its container; the last one took the IOMMU with it. */
  left(group: Fd): void {
    const container = this.#containers.get(group);
    this.#containers.delete(group);
    if (container === undefined || [...this.#containers.values()].includes(container)) return;
    this.#withIommu.delete(container);
  }

  setIommu(container: Fd): void {
    this.#withIommu.add(container);
  }

  hasIommu(container: Fd): boolean {
    return this.#withIommu.has(container);
  }

  /** Closes a descriptor, on this thread where that takes no time. @throws EBADF */
  async close(fd: Fd): Promise<void> {
    const slow = this.#devices.delete(fd) || this.#withIommu.delete(fd) || this.#containers.delete(fd);
    if (slow) await addon.closeFd(fd);
    else addon.closeFdSync(fd);
  }
}

/** The process's. */
export const linuxFiles = new LinuxFiles();
