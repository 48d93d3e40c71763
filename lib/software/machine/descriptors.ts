import { addon } from '../../native/addon.js';
import { PAGE_SIZE_BIGINT } from '../../native/page-size.js';
import type { Fd } from '../../kernel/kernel.js';
import type { ContainerFile } from '../container/container-file.js';
import type { GroupFile } from '../group/group.js';
import type { IommufdContext } from '../group/iommufd-compat.js';
import { refuse } from '../refusal.js';
import type { DeviceFile } from '../group/vfio-device.js';

/** What a descriptor of the software core can stand for. */
export type OpenFile = ContainerFile | GroupFile | DeviceFile | IommufdContext;

/**
 * The descriptor numbers of a machine. Each is a real one of this process, of an empty memfd with a telling name: so it
 * is like no other file's, and one that is never closed shows in /proc/self/fd. Processes that fork share numbers.
 */
export class Placeholders {
  readonly #holders = new Map<Fd, number>();

  /** How many numbers are taken. */
  get count(): number {
    return this.#holders.size;
  }

  open(name: string): Fd {
    const fd = addon.memfdCreate(name, PAGE_SIZE_BIGINT, 0);
    this.#holders.set(fd, 1);
    return fd;
  }

  share(fd: Fd): void {
    this.#holders.set(fd, (this.#holders.get(fd) ?? 0) + 1);
  }

  close(fd: Fd): void {
    const holders = (this.#holders.get(fd) ?? 1) - 1;
    this.#holders.set(fd, holders);
    if (holders > 0) return;
    this.#holders.delete(fd);
    addon.closeFdSync(fd);
  }

  has(fd: Fd): boolean {
    return this.#holders.has(fd);
  }
}

/** The open files of one simulated process. */
export class Descriptors {
  readonly #files = new Map<Fd, OpenFile>();

  constructor(private readonly placeholders: Placeholders) {}

  get size(): number {
    return this.#files.size;
  }

  /** Gives an open file a descriptor, which holds the caller's reference from now on. */
  install(file: OpenFile, name: string): Fd {
    const fd = this.placeholders.open(name);
    this.#files.set(fd, file);
    return fd;
  }

  /** @throws EBADF */
  get(fd: Fd): OpenFile {
    return this.#files.get(fd) ?? refuse('EBADF');
  }

  /** Gives the file behind a descriptor, where there is one. */
  peek(fd: Fd): OpenFile | undefined {
    return this.#files.get(fd);
  }

  /** Gives the file behind any descriptor, null where it is not this core's. @throws EBADF when it is not open */
  lookUp(fd: Fd): OpenFile | null {
    const file = this.#files.get(fd);
    if (file !== undefined) return file;
    if (fd < 0 || this.placeholders.has(fd) || !addon.isOpenFd(fd)) refuse('EBADF');
    return null;
  }

  /** dup(2) */
  duplicate(fd: Fd): Fd {
    const file = this.get(fd);
    const copy = this.placeholders.open('vfio-dup');
    this.#files.set(copy, file.get());
    return copy;
  }

  /** close(2). The file is released with its last descriptor. */
  async close(fd: Fd): Promise<void> {
    const file = this.get(fd);
    this.#files.delete(fd);
    this.placeholders.close(fd);
    await file.put();
  }

  async closeAll(): Promise<void> {
    for (const fd of [...this.#files.keys()]) await this.close(fd);
  }

  /** Copies every descriptor to a child, under the same numbers. */
  inheritTo(child: Descriptors): void {
    for (const [fd, file] of this.#files) {
      this.placeholders.share(fd);
      child.#files.set(fd, file.get());
    }
  }
}
