import { systemError, VfioError } from '../../errors.js';
import type { Fd, VfioKernel } from '../../kernel/kernel.js';
import type { GroupId } from '../../pci-sysfs.js';
import { Unwinding } from '../../unwinding.js';
import type { DmaSpaceHost } from '../backend.js';
import { Container } from './container.js';
import { Group } from './group.js';

/** A group that is open and in a container, and how many devices hold it. */
interface GroupEntry {
  readonly group: Group;
  readonly container: Container;
  references: number;
}

/** A device's hold on its group. */
export interface GroupUse {
  readonly group: Group;
  /** Lets the group go; the last hold closes it, and the container with its last group. */
  release(): Promise<void>;
}

/** The groups and containers of one kernel. The caller makes one call at a time. */
export class GroupTable {
  readonly #kernel: VfioKernel;
  readonly #entries = new Map<string, GroupEntry>();
  readonly #containers = new Set<Container>();

  constructor(kernel: VfioKernel) {
    this.#kernel = kernel;
  }

  /** Opens a group in a container of the space, or takes one more hold on it. @throws EINVAL for one of another space */
  async use(id: GroupId, space: DmaSpaceHost): Promise<GroupUse> {
    const entry = this.#entries.get(id.id) ?? (await this.#open(id, space));
    if (entry.container.space !== space) {
      const hint = 'the devices of one group share one address space: attach this device to that of the others';
      throw systemError('EINVAL', 'attach', { path: entry.group.path, hint });
    }
    entry.references += 1;
    return { group: entry.group, release: () => this.#release(entry) };
  }

  /** The descriptor of a group that is open. */
  fdOf(groupId: string): Fd | undefined {
    return this.#entries.get(groupId)?.group.fd;
  }

  async #open(id: GroupId, space: DmaSpaceHost): Promise<GroupEntry> {
    const group = await Group.open(this.#kernel, id);
    const undo = new Unwinding();
    undo.push(() => this.#kernel.close(group.fd));
    try {
      const container = await this.#place(group, space);
      const entry = { group, container, references: 0 };
      this.#entries.set(id.id, entry);
      return entry;
    } catch (error) {
      throw await undo.failed(error);
    }
  }

  /** Puts a group into the first container of the space that takes it, and into a new one where none does. */
  async #place(group: Group, space: DmaSpaceHost): Promise<Container> {
    for (const container of this.#containers) {
      if (container.space !== space || container.noiommu !== group.noiommu) continue;
      if (await joined(container, group)) return container;
    }
    const container = await Container.create(this.#kernel, group, space);
    this.#containers.add(container);
    return container;
  }

  async #release(entry: GroupEntry): Promise<void> {
    entry.references -= 1;
    if (entry.references > 0) return;
    const { group, container } = entry;
    this.#entries.delete(group.id);
    const undo = new Unwinding();
    undo.push(() => this.#kernel.close(group.fd));
    undo.push(() => {
      if (container.empty) this.#containers.delete(container);
    });
    undo.push(() => container.leave(group));
    await undo.runOrThrow();
  }
}

/** A refusal of the kernel's only means that this container is not the one. */
async function joined(container: Container, group: Group): Promise<boolean> {
  try {
    await container.join(group);
    return true;
  } catch (error) {
    if (error instanceof VfioError && INCOMPATIBLE.has(error.code)) return false;
    throw error;
  }
}

/** What SET_CONTAINER answers when the IOMMU cannot hold the group beside the container's others. */
const INCOMPATIBLE: ReadonlySet<string> = new Set(['EINVAL', 'EBUSY', 'EPERM', 'ENODEV', 'ENOSPC', 'EEXIST', 'ENOMEM']);
