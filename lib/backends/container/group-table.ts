import { systemError, VfioError } from '../../base/errors.js';
import type { Fd, VfioKernel } from '../../kernel/kernel.js';
import type { GroupId } from '../../sysfs/iommu-group.js';
import { allOf, Unwinding } from '../../base/unwinding.js';
import type { DmaTargetRegistry } from '../dma-target.js';
import { Container } from './container.js';
import { Group } from './group.js';

/** An open group in a container, and how many devices use it. */
interface GroupEntry {
  readonly group: Group;
  readonly container: Container;
  references: number;
}

/** A device's use of its group. */
export interface GroupUse {
  readonly group: Group;
  /** Adds the container of the group to the DMA space, once for all its groups. */
  joinSpace(): Promise<void>;
  /** Ends the use. The last one closes the group, and the last group closes the container. */
  release(): Promise<void>;
}

/** The open groups and containers of one kernel. The caller runs one call at a time. */
export class GroupTable {
  readonly #kernel: VfioKernel;
  readonly #entries = new Map<string, GroupEntry>();
  readonly #containers = new Set<Container>();

  constructor(kernel: VfioKernel) {
    this.#kernel = kernel;
  }

  /** Opens a group in a container of the space, or uses the open one. @throws (rejects) EINVAL if it is in another space */
  async use(id: GroupId, space: DmaTargetRegistry): Promise<GroupUse> {
    const entry = this.#entries.get(id.id) ?? (await this.#open(id, space));
    if (entry.container.space !== space) {
      const hint = 'all devices of a group share one DMA space: attach this device to the space of the others';
      throw systemError('EINVAL', 'attach', { path: entry.group.path, hint });
    }
    entry.references += 1;
    const { group, container } = entry;
    return { group, joinSpace: () => container.joinSpace(), release: () => this.#release(entry) };
  }

  /** Returns the descriptor of a group; undefined if it is not open. */
  fdOf(groupId: string): Fd | undefined {
    return this.#entries.get(groupId)?.group.fd;
  }

  async #open(id: GroupId, space: DmaTargetRegistry): Promise<GroupEntry> {
    const undo = new Unwinding();
    try {
      const candidates = this.#containersOf(space, id.noiommu);
      const [group, empty] = await allOf([
        this.#openGroup(id, undo),
        // The group opens on a call thread meanwhile.
        candidates.length > 0 ? undefined : this.#openContainer(space, id.noiommu, undo),
      ]);
      const container =
        (await joinFirstPossible(candidates, group)) ?? empty ?? (await this.#openContainer(space, id.noiommu, undo));
      if (container.empty) await container.start(group);
      this.#containers.add(container);
      const entry = { group, container, references: 0 };
      this.#entries.set(id.id, entry);
      return entry;
    } catch (error) {
      throw await undo.failed(error);
    }
  }

  async #openGroup(id: GroupId, undo: Unwinding): Promise<Group> {
    const group = await Group.open(this.#kernel, id);
    undo.push(() => this.#kernel.close(group.fd));
    return group;
  }

  async #openContainer(space: DmaTargetRegistry, noiommu: boolean, undo: Unwinding): Promise<Container> {
    const container = await Container.open(this.#kernel, space, noiommu);
    undo.push(() => container.close());
    return container;
  }

  #containersOf(space: DmaTargetRegistry, noiommu: boolean): Container[] {
    return [...this.#containers].filter((container) => container.space === space && container.noiommu === noiommu);
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

/** Adds the group to the first container that accepts it. @returns undefined if none does */
async function joinFirstPossible(containers: readonly Container[], group: Group): Promise<Container | undefined> {
  for (const container of containers) {
    try {
      await container.join(group);
      return container;
    } catch (error) {
      if (!(error instanceof VfioError && INCOMPATIBLE.has(error.code))) throw error;
    }
  }
  return undefined;
}

/** The errors of VFIO_GROUP_SET_CONTAINER if the IOMMU cannot hold the group beside the others of the container. */
const INCOMPATIBLE: ReadonlySet<string> = new Set(['EINVAL', 'EBUSY', 'EPERM', 'ENODEV', 'ENOSPC', 'EEXIST', 'ENOMEM']);
