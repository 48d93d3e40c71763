import type { ReservedRange } from '../../base/iova-range.js';
import { VfioError } from '../../base/errors.js';
import { callKernel } from '../../kernel/hints.js';
import type { Fd, VfioKernel } from '../../kernel/kernel.js';
import {
  VFIO_API_VERSION,
  VFIO_GROUP_FLAGS_CONTAINER_SET,
  VFIO_NOIOMMU_IOMMU,
  VFIO_TYPE1v2_IOMMU,
  VFIO_TYPE1_IOMMU,
} from '../../uapi/vfio.js';
import { Unwinding } from '../../base/unwinding.js';
import type { DmaTargetRegistry } from '../dma-target.js';
import type { Group } from './group.js';
import { ContainerTarget } from './target.js';

const PATH = '/dev/vfio/vfio';

/** A container: the groups whose devices share one IOMMU context. */
export class Container {
  readonly #kernel: VfioKernel;
  readonly #fd: Fd;
  readonly #target: ContainerTarget | undefined;
  readonly #groups = new Set<Group>();

  #joined: Promise<void> | undefined;

  private constructor(
    kernel: VfioKernel,
    fd: Fd,
    /** Of the IOMMU. */
    private readonly type: number,
    readonly space: DmaTargetRegistry,
  ) {
    this.#kernel = kernel;
    this.#fd = fd;
    // Without an IOMMU the kernel maps nothing: the device reaches all of the machine's memory.
    this.#target = this.noiommu ? undefined : new ContainerTarget(kernel, fd, () => this.#reserved());
  }

  /** Opens an empty container, for groups with an IOMMU or without one. */
  static async open(kernel: VfioKernel, space: DmaTargetRegistry, noiommu: boolean): Promise<Container> {
    const undo = new Unwinding();
    try {
      const fd = await callKernel('openContainer', { path: PATH }, () => kernel.openContainer());
      undo.push(() => kernel.close(fd));
      checkVersion(kernel, fd);
      return new Container(kernel, fd, chooseIommu(kernel, fd, noiommu), space);
    } catch (error) {
      throw await undo.failed(error);
    }
  }

  /** Takes the first group in, and gets the IOMMU with it. */
  async start(group: Group): Promise<void> {
    const undo = new Unwinding();
    try {
      await this.#set(group, undo);
      await callKernel('setIommu', { path: PATH }, () => this.#kernel.setIommu(this.#fd, this.type));
    } catch (error) {
      throw await undo.failed(error);
    }
  }

  /** Has the space map into the container; its mappings are in it when this resolves. Asked again, it has done so. */
  joinSpace(): Promise<void> {
    this.#joined ??= this.#target === undefined ? Promise.resolve() : this.space.addTarget(this.#target);
    return this.#joined;
  }

  /** Closes a container that has no group. */
  close(): Promise<void> {
    return this.#kernel.close(this.#fd);
  }

  /** Whether its groups have no IOMMU. */
  get noiommu(): boolean {
    return this.type === VFIO_NOIOMMU_IOMMU;
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
      undo.push(() => this.close());
    }
    undo.push(() => this.#unset(group));
    // First of all no one may map into what is about to lose its IOMMU.
    const target = this.#target;
    if (this.#groups.size === 1 && target !== undefined) undo.push(() => this.space.removeTarget(target));
    await undo.runOrThrow();
    if (!this.empty && target !== undefined) await this.space.refreshTarget(target);
  }

  async #set(group: Group, undo: Unwinding): Promise<void> {
    await callKernel('setContainer', { path: group.path }, () => this.#kernel.setContainer(group.fd, this.#fd));
    this.#groups.add(group);
    undo.push(() => this.#unset(group));
  }

  async #unset(group: Group): Promise<void> {
    this.#groups.delete(group);
    try {
      await callKernel('unsetContainer', { path: group.path }, () => this.#kernel.unsetContainer(group.fd));
    } catch (error) {
      const notHeld = error instanceof VfioError && error.code === 'EINVAL' && !this.#holds(group);
      if (!notHeld) throw error;
    }
  }

  /**
   * A group whose last device loses its driver is taken from its container by the kernel, and answers ENODEV from then on.
   * Source: vfio_device_remove_group, vfio_group_ioctl_get_status
   */
  #holds(group: Group): boolean {
    try {
      const { flags } = callKernel('getGroupStatus', { path: group.path }, () => this.#kernel.getGroupStatus(group.fd));
      return (flags & VFIO_GROUP_FLAGS_CONTAINER_SET) !== 0;
    } catch (error) {
      // Where the kernel does not tell, the failure that led here counts.
      return !(error instanceof VfioError && error.code === 'ENODEV');
    }
  }

  #reserved(): ReservedRange[] {
    return [...this.#groups].flatMap((group) => group.reserved);
  }
}

function checkVersion(kernel: VfioKernel, fd: Fd): void {
  const version = callKernel('getApiVersion', { path: PATH }, () => kernel.getApiVersion(fd));
  if (version === VFIO_API_VERSION) return;
  throw new VfioError(`the kernel has version ${version} of VFIO's interface, not ${VFIO_API_VERSION}`, {
    code: 'ERR_NOT_SUPPORTED',
    syscall: 'ioctl(VFIO_GET_API_VERSION)',
    path: PATH,
  });
}

/** type1v2 before type1: it unmaps whole mappings alone, which is what the engine asks for. */
function chooseIommu(kernel: VfioKernel, fd: Fd, noiommu: boolean): number {
  for (const type of noiommu ? [VFIO_NOIOMMU_IOMMU] : [VFIO_TYPE1v2_IOMMU, VFIO_TYPE1_IOMMU]) {
    if (callKernel('checkExtension', { path: PATH }, () => kernel.checkExtension(fd, type)) > 0) return type;
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
