import type { Fd } from '../../kernel/kernel.js';
import { addon } from '../../native/addon.js';
import type { OwnedResources } from './owned-resources.js';

/** The descriptors that came with a message. Those that nobody took are closed with it. */
export class ReceivedFds {
  /** @param fds this object's own from now on */
  constructor(
    private readonly fds: Fd[],
    private readonly owned: OwnedResources,
  ) {}

  get count(): number {
    return this.fds.length;
  }

  /** Takes the first descriptor; the taker owns it. Undefined when there is none. @throws EMFILE */
  take(): Fd | undefined {
    const fd = this.fds.shift();
    return fd === undefined ? undefined : this.owned.adoptFd(fd);
  }

  /** Takes all of them. @throws EMFILE, with none of them left open */
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

  closeRest(): void {
    for (const fd of this.fds.splice(0)) addon.closeFdSync(fd);
  }
}
