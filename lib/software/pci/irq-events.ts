import { addon } from '../../native/addon.js';
import type { Fd } from '../../kernel/kernel.js';
import { refuse } from '../refusal.js';

/** The eventfds of one interrupt index. They are the core's own copies: the user may close his. */
export class IrqEvents {
  readonly #fds = new Map<number, Fd>();

  has(vector: number): boolean {
    return this.#fds.has(vector);
  }

  /** Gives the eventfd of a vector, -1 for none. */
  fdOf(vector: number): Fd {
    return this.#fds.get(vector) ?? -1;
  }

  /** Connects a vector to another eventfd, or (-1) to none. @throws EBADF, EINVAL for a file of another kind */
  replace(vector: number, fd: Fd): void {
    const copy = fd < 0 ? -1 : copyOfEventfd(fd);
    const before = this.fdOf(vector);
    if (before >= 0) addon.closeFdSync(before);
    if (copy < 0) this.#fds.delete(vector);
    else this.#fds.set(vector, copy);
  }

  /** Adds one to a vector's eventfd, where it has one. */
  signal(vector: number): void {
    const fd = this.fdOf(vector);
    if (fd >= 0) addon.eventfdWrite(fd, 1);
  }

  clear(): void {
    for (const fd of this.#fds.values()) addon.closeFdSync(fd);
    this.#fds.clear();
  }
}

function copyOfEventfd(fd: Fd): Fd {
  if (!addon.isOpenFd(fd)) refuse('EBADF');
  const copy = addon.dupFd(fd);
  try {
    // Adding nothing tells an eventfd from other files.
    addon.eventfdWrite(copy, 0);
    return copy;
  } catch (error) {
    addon.closeFdSync(copy);
    throw error;
  }
}
