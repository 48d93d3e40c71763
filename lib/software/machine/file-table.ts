import type { Fd } from '../../kernel/kernel.js';
import { addon } from '../../native/addon.js';
import { failWith } from '../base/errno-failure.js';
import type { ContainerFile } from '../container/container-file.js';
import type { IommufdContext } from '../container/iommufd-compat.js';
import type { DeviceFile } from '../group/device-file.js';
import type { GroupFile } from '../group/vfio-group.js';
import type { DescriptorNumbers } from './descriptor-numbers.js';

/** A file that a descriptor of the software core can stand for. */
export type OpenFile = ContainerFile | GroupFile | DeviceFile | IommufdContext;

/** The descriptors of one process and their open files. Source: struct files_struct */
export class FileTable {
  readonly #files = new Map<Fd, OpenFile>();

  constructor(private readonly numbers: DescriptorNumbers) {}

  /** Gives a file a descriptor, which takes over the caller's reference. @param name shown in /proc/self/fd */
  install(file: OpenFile, name: string): Fd {
    const fd = this.numbers.open(name);
    this.#files.set(fd, file);
    return fd;
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

  /** Closes all descriptors. */
  async closeAll(): Promise<void> {
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
