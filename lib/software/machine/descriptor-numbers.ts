import type { Fd } from '../../kernel/kernel.js';
import { addon } from '../../native/addon.js';
import { PAGE_SIZE_BIGINT } from '../../native/page-size.js';
import { VfioError } from '../../base/errors.js';
import type { ErrnoName } from '../../uapi/errno.js';
import { failWith } from '../base/errno-failure.js';

/**
 * The descriptor numbers of a machine. Each number is a real descriptor of this process: an empty memfd with the name of
 * the file that the number stands for. So the number means no other file, and a leak shows in /proc/self/fd. A process
 * and its forked children share numbers.
 */
export class DescriptorNumbers {
  readonly #users = new Map<Fd, number>();

  /** How many numbers are in use. */
  get count(): number {
    return this.#users.size;
  }

  /** Takes a new number, for one process. @param name shown in /proc/self/fd @throws EMFILE, ENFILE, ENOMEM */
  open(name: string): Fd {
    const fd = createFile(name);
    this.#users.set(fd, 1);
    return fd;
  }

  /** Adds a process that uses the number. */
  share(fd: Fd): void {
    this.#users.set(fd, (this.#users.get(fd) ?? 0) + 1);
  }

  /** Removes a process that uses the number. Without a user, the number is closed. */
  close(fd: Fd): void {
    const users = (this.#users.get(fd) ?? 1) - 1;
    this.#users.set(fd, users);
    if (users > 0) return;
    this.#users.delete(fd);
    addon.closeFdSync(fd);
  }

  /** Tells whether a process uses the number. */
  has(fd: Fd): boolean {
    return this.#users.has(fd);
  }
}

/** The call of the software core fails with the errno, under its own name: the memfd is only the means. */
function createFile(name: string): Fd {
  try {
    return addon.memfdCreate(name, PAGE_SIZE_BIGINT, 0);
  } catch (error) {
    if (error instanceof VfioError && error.errno !== undefined) failWith(error.code as ErrnoName);
    throw error;
  }
}
