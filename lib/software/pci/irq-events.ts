import { addon } from '../../native/addon.js';
import type { Fd } from '../../kernel/kernel.js';
import { failWith } from '../base/errno-failure.js';

/** The eventfds of one interrupt index. They are copies, because the user can close the originals. */
export class IrqEvents {
  readonly #fds = new Map<number, Fd>();

  /** Tells whether a vector has an eventfd. */
  has(vector: number): boolean {
    return this.#fds.has(vector);
  }

  /** Returns the eventfd of a vector, -1 if it has none. */
  fdOf(vector: number): Fd {
    return this.#fds.get(vector) ?? -1;
  }

  /**
   * Replaces the eventfd of a vector.
   * @param fd -1 for none
   * @throws EBADF if `fd` is not open, EINVAL if it is not an eventfd; the vector then keeps its eventfd
   */
  replace(vector: number, fd: Fd): void {
    const copy = fd < 0 ? -1 : copyOfEventfd(fd);
    const before = this.fdOf(vector);
    if (before >= 0) addon.closeFdSync(before);
    if (copy < 0) this.#fds.delete(vector);
    else this.#fds.set(vector, copy);
  }

  /** Adds 1 to the eventfd of a vector. Does nothing if the vector has none. */
  signal(vector: number): void {
    const fd = this.fdOf(vector);
    if (fd >= 0) addon.eventfdWrite(fd, 1);
  }

  /** Takes the eventfds away from all vectors. */
  clear(): void {
    for (const fd of this.#fds.values()) addon.closeFdSync(fd);
    this.#fds.clear();
  }
}

function copyOfEventfd(fd: Fd): Fd {
  if (!addon.isOpenFd(fd)) failWith('EBADF');
  const copy = addon.dupFd(fd);
  try {
    // Writing 0 succeeds on an eventfd only, and does not change its count.
    addon.eventfdWrite(copy, 0);
    return copy;
  } catch (error) {
    addon.closeFdSync(copy);
    throw error;
  }
}
