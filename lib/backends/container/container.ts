import { VfioError } from '../../errors.js';
import { calling } from '../../hints.js';
import type { Fd, VfioKernel } from '../../kernel/kernel.js';
import {
  VFIO_API_VERSION,
  VFIO_GROUP_FLAGS_CONTAINER_SET,
  VFIO_NOIOMMU_IOMMU,
  VFIO_TYPE1v2_IOMMU,
  VFIO_TYPE1_IOMMU,
} from '../../uapi/vfio.js';
import { Unwinding } from '../../unwinding.js';
import type { DmaSpaceHost, ReservedRange } from '../backend.js';
import type { Group } from './group.js';
import { ContainerTarget } from './target.js';

const PATH = '/dev/vfio/vfio';

/** A container: the groups whose devices share one IOMMU context. */
export class Container {
  readonly #kernel: VfioKernel;
  readonly #fd: Fd;
  readonly #target: ContainerTarget | undefined;
  readonly #groups = new Set<Group>();

  private constructor(
    kernel: VfioKernel,
    fd: Fd,
    readonly space: DmaSpaceHost,
    readonly noiommu: boolean,
  ) {
    this.#kernel = kernel;
    this.#fd = fd;
    // Without an IOMMU the kernel maps nothing: the device reaches all of the machine's memory.
    this.#target = noiommu ? undefined : new ContainerTarget(kernel, fd, () => this.#reserved());
  }

  /** Makes a container with its first group; the space's mappings are in it when this resolves. */
  static async create(kernel: VfioKernel, group: Group, space: DmaSpaceHost): Promise<Container> {
    const undo = new Unwinding();
    try {
      const fd = await calling('openContainer', { path: PATH }, () => kernel.openContainer());
      undo.push(() => kernel.close(fd));
      await checkVersion(kernel, fd);
      const type = await chooseIommu(kernel, fd, group.noiommu);
      const container = new Container(kernel, fd, space, group.noiommu);
      await container.#set(group, undo);
      await calling('setIommu', { path: PATH }, () => kernel.setIommu(fd, type));
      if (container.#target !== undefined) await space.addTarget(container.#target);
      return container;
    } catch (error) {
      throw await undo.failed(error);
    }
  }

  /** Whether the last group has left. */
  get empty(): boolean {
    return this.#groups.size === 0;
  }

  /** Takes one more group in. @throws EINVAL, EPERM, EBUSY where the IOMMU cannot hold both */
  async join(group: Group): Promise<void> {
    const undo = new Unwinding();
    try {
      await this.#set(group, undo);
      // The new group's reserved ranges narrow what can be mapped.
      if (this.#target !== undefined) await this.space.refreshTarget(this.#target);
    } catch (error) {
      throw await undo.failed(error);
    }
  }

  /** Lets a group go; the last one takes the container with it. Whatever fails, the rest is done. */
  async leave(group: Group): Promise<void> {
    const undo = new Unwinding();
    if (this.#groups.size === 1) {
      undo.push(() => this.#kernel.close(this.#fd));
    }
    undo.push(() => this.#unset(group));
    // First of all no one may map into what is about to lose its IOMMU.
    const target = this.#target;
    if (this.#groups.size === 1 && target !== undefined) undo.push(() => this.space.removeTarget(target));
    await undo.runOrThrow();
    if (!this.empty && target !== undefined) await this.space.refreshTarget(target);
  }

  async #set(group: Group, undo: Unwinding): Promise<void> {
    await calling('setContainer', { path: group.path }, () => this.#kernel.setContainer(group.fd, this.#fd));
    this.#groups.add(group);
    undo.push(() => this.#unset(group));
  }

  async #unset(group: Group): Promise<void> {
    this.#groups.delete(group);
    try {
      await calling('unsetContainer', { path: group.path }, () => this.#kernel.unsetContainer(group.fd));
    } catch (error) {
      const notHeld = error instanceof VfioError && error.code === 'EINVAL' && !(await this.#holds(group));
      if (!notHeld) throw error;
    }
  }

  /**
   * A group whose last device loses its driver is taken from its container by the kernel, and answers ENODEV from then on.
   * Source: vfio_device_remove_group, vfio_group_ioctl_get_status
   */
  async #holds(group: Group): Promise<boolean> {
    try {
      const { flags } = await calling('getGroupStatus', { path: group.path }, () =>
        this.#kernel.getGroupStatus(group.fd),
      );
      return (flags & VFIO_GROUP_FLAGS_CONTAINER_SET) !== 0;
    } catch (error) {
      if (error instanceof VfioError && error.code === 'ENODEV') return false;
      throw error;
    }
  }

  #reserved(): ReservedRange[] {
    return [...this.#groups].flatMap((group) => group.reserved);
  }
}

async function checkVersion(kernel: VfioKernel, fd: Fd): Promise<void> {
  const version = await calling('getApiVersion', { path: PATH }, () => kernel.getApiVersion(fd));
  if (version === VFIO_API_VERSION) return;
  throw new VfioError(`the kernel has version ${version} of VFIO's interface, not ${VFIO_API_VERSION}`, {
    code: 'ERR_NOT_SUPPORTED',
    syscall: 'ioctl(VFIO_GET_API_VERSION)',
    path: PATH,
  });
}

/** type1v2 before type1: it unmaps whole mappings alone, which is what the engine asks for. */
async function chooseIommu(kernel: VfioKernel, fd: Fd, noiommu: boolean): Promise<number> {
  for (const type of noiommu ? [VFIO_NOIOMMU_IOMMU] : [VFIO_TYPE1v2_IOMMU, VFIO_TYPE1_IOMMU]) {
    if ((await calling('checkExtension', { path: PATH }, () => kernel.checkExtension(fd, type))) > 0) return type;
  }
  throw new VfioError(`the kernel's VFIO has no ${noiommu ? 'noiommu' : 'type1'} IOMMU`, {
    code: 'ENODEV',
    syscall: 'ioctl(VFIO_CHECK_EXTENSION)',
    path: PATH,
    hint: noiommu
      ? 'set enable_unsafe_noiommu_mode of the module vfio; it needs CAP_SYS_RAWIO'
      : 'modprobe vfio_iommu_type1',
  });
}
