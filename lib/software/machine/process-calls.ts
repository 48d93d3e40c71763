import type { SystemErrorContext } from '../../base/errors.js';
import type { Fd } from '../../kernel/kernel.js';
import { failWith, runSyscallAsync } from '../base/errno-failure.js';
import { ContainerFile } from '../container/container-file.js';
import { CdevFile } from '../group/cdev-file.js';
import { DeviceFile } from '../group/device-file.js';
import { GroupFile } from '../group/vfio-group.js';
import type { DescriptorNumbers } from './descriptor-numbers.js';
import { FileTable, type OpenFile } from './file-table.js';
import type { ProcessOptions } from './machine-options.js';

/** What the calls of a process share: its descriptors, and its account of locked memory. */
export abstract class ProcessCalls {
  /** How many bytes of memory the mappings of this process lock. @internal */
  lockedBytes = 0n;
  /** @internal */
  protected readonly files: FileTable;

  /** @internal */
  constructor(
    numbers: DescriptorNumbers,
    /** @internal */
    protected readonly options: ProcessOptions,
  ) {
    this.files = new FileTable(numbers);
  }

  /** How many more bytes it can lock. 2^64 without a limit. @internal */
  get lockableBytes(): bigint {
    const limit = this.options.memlockLimit ?? Infinity;
    if ((this.options.capIpcLock ?? true) || limit === Infinity) return 1n << 64n;
    const left = BigInt(Math.trunc(limit)) - this.lockedBytes;
    return left > 0n ? left : 0n;
  }

  /** Makes a call that can wait, and holds the files of the descriptors that it names until it has returned. @internal */
  protected call<T>(
    syscall: string,
    context: SystemErrorContext,
    fds: readonly Fd[],
    body: () => Promise<T> | T,
  ): Promise<T> {
    return runSyscallAsync(syscall, context, () => this.files.holding(fds, body));
  }

  /** Tells which file a call was about, for its error. @internal */
  protected where(fd: Fd): SystemErrorContext {
    const file = this.files.peek(fd);
    if (file instanceof GroupFile) return { path: file.group.path };
    return file instanceof DeviceFile || file instanceof CdevFile ? { device: file.device.name } : {};
  }
}

/** Fails an ioctl that the file does not have. A container without an IOMMU, and a device that is not bound, answer EINVAL. */
export function unknownCall(file: OpenFile): never {
  if (file instanceof CdevFile) void file.bound;
  return failWith(file instanceof ContainerFile && file.container.driver === null ? 'EINVAL' : 'ENOTTY');
}
