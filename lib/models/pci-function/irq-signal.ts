import { readlinkSync } from 'node:fs';

import { systemError, VfioError } from '../../base/errors.js';
import type { Fd } from '../../kernel/kernel.js';
import { addon } from '../../native/addon.js';
import type { OwnedResources } from '../../vfio-user/server/owned-resources.js';

const SYSCALL = 'vfio-user(DEVICE_SET_IRQS)';

/** Makes the error of a SET_IRQS that cannot be. */
export function irqError(errno: 'EINVAL' | 'ENOTTY' | 'ERANGE'): VfioError {
  return systemError(errno, SYSCALL);
}

/** One eventfd that the client gave for an interrupt, or none. */
export class IrqSignal {
  #fd: Fd | undefined;

  constructor(private readonly owned: OwnedResources) {}

  get assigned(): boolean {
    return this.#fd !== undefined;
  }

  /** Puts an eventfd in the old one's place; -1 for none. @throws EINVAL for another file, which stays the caller's */
  assign(fd: Fd): void {
    if (fd >= 0 && readlinkSync(`/proc/self/fd/${fd}`) !== 'anon_inode:[eventfd]') throw irqError('EINVAL');
    this.close();
    this.#fd = fd < 0 ? undefined : fd;
  }

  /** Adds one to the count. A count that is full (the client stopped reading) loses nothing that it could tell apart. */
  signal(): void {
    if (this.#fd === undefined) return;
    try {
      addon.eventfdWrite(this.#fd, 1);
    } catch (error) {
      if (!(error instanceof VfioError) || error.code !== 'EAGAIN') throw error;
    }
  }

  /** Takes the count, for an eventfd that the client writes. */
  take(): number {
    return this.#fd === undefined ? 0 : addon.eventfdRead(this.#fd);
  }

  close(): void {
    if (this.#fd !== undefined) this.owned.closeFd(this.#fd);
    this.#fd = undefined;
  }
}
