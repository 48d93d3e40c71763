import { systemError, VfioError } from '../../base/errors.js';
import type { Fd } from '../../kernel/kernel.js';
import { addon } from '../../native/addon.js';
import type { OwnedResources } from '../../vfio-user/server/owned-resources.js';

const SYSCALL = 'vfio-user(DEVICE_SET_IRQS)';

/** Makes the error of a failed SET_IRQS. */
export function irqError(errno: 'EINVAL' | 'ENOTTY' | 'ERANGE'): VfioError {
  return systemError(errno, SYSCALL);
}

/** The eventfd of one interrupt, if the client set one. */
export class IrqSignal {
  #fd: Fd | undefined;

  constructor(private readonly owned: OwnedResources) {}

  /** Whether there is an eventfd. */
  get assigned(): boolean {
    return this.#fd !== undefined;
  }

  /**
   * Replaces the eventfd.
   * @param fd owned by this object from now on, or -1 for none
   * @throws EINVAL if `fd` is not an eventfd; the caller then keeps it
   */
  assign(fd: Fd): void {
    if (fd >= 0 && !addon.isEventfd(fd)) throw irqError('EINVAL');
    this.close();
    this.#fd = fd < 0 ? undefined : fd;
  }

  /** Adds one to the count. Ignores a full count, of a client that stopped reading: it is signalled already. */
  signal(): void {
    if (this.#fd === undefined) return;
    try {
      addon.eventfdWrite(this.#fd, 1);
    } catch (error) {
      if (!(error instanceof VfioError) || error.code !== 'EAGAIN') throw error;
    }
  }

  /** Reads and clears the count of an eventfd that the client writes. */
  take(): number {
    return this.#fd === undefined ? 0 : addon.eventfdRead(this.#fd);
  }

  /** Closes the eventfd. */
  close(): void {
    if (this.#fd !== undefined) this.owned.closeFd(this.#fd);
    this.#fd = undefined;
  }
}
