import { warn } from '../../base/diagnostics.js';
import type { Fd } from '../../kernel/kernel.js';
import { addon } from '../../native/addon.js';
import { failWith } from '../base/errno-failure.js';
import type { ContainerFile } from '../container/container-file.js';
import type { CdevFile } from '../group/cdev-file.js';
import type { DeviceFile } from '../group/device-file.js';
import type { GroupFile } from '../group/vfio-group.js';
import type { IommufdContext } from '../iommufd/iommufd-context.js';
import type { DescriptorNumbers } from './descriptor-numbers.js';

/** A file that a descriptor of the software core can stand for. */
export type OpenFile = ContainerFile | GroupFile | DeviceFile | CdevFile | IommufdContext;

/** The descriptors of one process and their open files. Source: struct files_struct */
export class FileTable {
  readonly #files = new Map<Fd, OpenFile>();
  /** How many calls of `holding` run. */
  #calls = 0;
  #quiet: () => void = () => undefined;
  #ended = false;

  constructor(private readonly numbers: DescriptorNumbers) {}

  /**
   * Opens a file under a new descriptor, which takes over the reference. The number is reserved first: a file that can have
   * no number is not opened. Source: get_unused_fd_flags, fd_install
   * @param name shown in /proc/self/fd
   * @throws EMFILE; what `openFile` throws
   */
  async open(name: string, openFile: () => Promise<OpenFile> | OpenFile): Promise<Fd> {
    const fd = this.numbers.open(name);
    try {
      this.#files.set(fd, await openFile());
      return fd;
    } catch (error) {
      this.numbers.close(fd);
      throw error;
    }
  }

  /**
   * Runs a call that can wait. The files of the descriptors that it names stay open until it has returned, even if the
   * descriptors are closed meanwhile. Source: fdget, fdput
   * @throws ESRCH once the process has begun to end; what `call` throws
   */
  async holding<T>(fds: readonly Fd[], call: () => Promise<T> | T): Promise<T> {
    if (this.#ended) failWith('ESRCH');
    const held = fds.flatMap((fd) => this.#files.get(fd)?.get() ?? []);
    this.#calls += 1;
    try {
      return await call();
    } finally {
      for (const file of held) await release(file);
      this.#calls -= 1;
      if (this.#calls === 0) this.#quiet();
    }
  }

  /** Returns the file of a descriptor. @throws EBADF if it is not open in this process */
  get(fd: Fd): OpenFile {
    return this.#files.get(fd) ?? failWith('EBADF');
  }

  /** Returns the file of a descriptor, undefined if it is not open in this process. */
  peek(fd: Fd): OpenFile | undefined {
    return this.#files.get(fd);
  }

  /** Returns the file of a descriptor, null if it is a real file of this process. @throws EBADF if it is not open */
  lookUp(fd: Fd): OpenFile | null {
    const file = this.#files.get(fd);
    if (file !== undefined) return file;
    if (fd < 0 || this.numbers.has(fd) || !addon.isOpenFd(fd)) failWith('EBADF');
    return null;
  }

  /** Gives a descriptor's file one more descriptor: dup(2). @throws EBADF */
  duplicate(fd: Fd): Fd {
    const file = this.get(fd);
    const copy = this.numbers.open('vfio-dup');
    this.#files.set(copy, file.get());
    return copy;
  }

  /** Closes a descriptor: close(2). The last descriptor of a file releases it. @throws EBADF */
  async close(fd: Fd): Promise<void> {
    const file = this.get(fd);
    this.#files.delete(fd);
    this.numbers.close(fd);
    await file.put();
  }

  /** Closes all descriptors after the calls under way have returned: the end of the process. */
  async end(): Promise<void> {
    this.#ended = true;
    if (this.#calls > 0) await new Promise<void>((resolve) => (this.#quiet = resolve));
    for (const fd of [...this.#files.keys()]) await this.close(fd);
  }

  /** Copies all descriptors to the table of a child process, with the same numbers. */
  inheritTo(child: FileTable): void {
    for (const [fd, file] of this.#files) {
      this.numbers.share(fd);
      child.#files.set(fd, file.get());
    }
  }
}

/** Drops the reference of a call. The call has its result by now: an error of the release does not change it. */
async function release(file: OpenFile): Promise<void> {
  try {
    await file.put();
  } catch (error) {
    warn('a file that was closed during a call could not be released', error);
  }
}
