import type { Fd } from '../../kernel/kernel.js';
import { addon } from '../../native/addon.js';
import { systemError } from '../../base/errors.js';
import type { OwnedResources } from './owned-resources.js';

/** The descriptors that came with a message. `closeRest` closes those that were not taken. */
export class ReceivedFds {
  /** @param fds owned by this object from now on. @param owned records the descriptors that are taken */
  constructor(
    private readonly fds: Fd[],
    private readonly owned: OwnedResources,
  ) {}

  /** Rejects a message whose descriptors did not all arrive: this process had no room for them. @throws EMFILE */
  requireAll(): void {
    if (this.fds.includes(-1)) throw systemError('EMFILE', 'recvmsg');
  }

  /** How many descriptors are left. */
  get count(): number {
    return this.fds.length;
  }

  /** Takes the first descriptor. The caller owns it. @returns undefined if none is left. @throws EMFILE */
  take(): Fd | undefined {
    const fd = this.fds.shift();
    return fd === undefined ? undefined : this.owned.adoptFd(fd);
  }

  /** Takes all descriptors. The caller owns them. @throws EMFILE; all of them are then closed */
  takeAll(): Fd[] {
    const taken: Fd[] = [];
    try {
      for (let fd = this.take(); fd !== undefined; fd = this.take()) taken.push(fd);
      return taken;
    } catch (error) {
      for (const fd of taken) this.owned.closeFd(fd);
      throw error;
    }
  }

  /** Closes the descriptors that were not taken. */
  closeRest(): void {
    for (const fd of this.fds.splice(0)) if (fd >= 0) addon.closeFdSync(fd);
  }
}
