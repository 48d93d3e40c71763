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
import { ContainerTarget } from './container-target.js';

const PATH = '/dev/vfio/vfio';

/** A container: groups whose devices share one set of mappings. Thread: the one that made it. */
export class Container {
  readonly #kernel: VfioKernel;
  readonly #fd: Fd;
  readonly #target: ContainerTarget | undefined;
  readonly #groups = new Set<Group>();

  #joined: Promise<void> | undefined;

  private constructor(
    kernel: VfioKernel,
    fd: Fd,
    /** The type of the IOMMU: VFIO_TYPE1v2_IOMMU, VFIO_TYPE1_IOMMU or VFIO_NOIOMMU_IOMMU. */
    private readonly type: number,
    readonly space: DmaTargetRegistry,
  ) {
    this.#kernel = kernel;
    this.#fd = fd;
    // Without an IOMMU there are no mappings: the device reaches all memory of the machine.
    this.#target = this.noiommu ? undefined : new ContainerTarget(kernel, fd, () => this.#reserved());
  }

  /** Opens an empty container. @param noiommu whether it is for groups without an IOMMU */
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

  /** Adds the first group and sets the IOMMU. @throws (rejects) the errors of VFIO_GROUP_SET_CONTAINER and VFIO_SET_IOMMU */
  async start(group: Group): Promise<void> {
    const undo = new Unwinding();
    try {
      await this.#set(group, undo);
      await callKernel('setIommu', { path: PATH }, () => this.#kernel.setIommu(this.#fd, this.type));
    } catch (error) {
      throw await undo.failed(error);
    }
  }

  /** Adds the container to its space: all memory of the space is mapped in it. Further calls share the first one. */
  joinSpace(): Promise<void> {
    this.#joined ??= this.#target === undefined ? Promise.resolve() : this.space.addTarget(this.#target);
    return this.#joined;
  }

  /** Closes the container, which must have no group. */
  close(): Promise<void> {
    return this.#kernel.close(this.#fd);
  }

  /** Whether the container is for groups without an IOMMU. */
  get noiommu(): boolean {
    return this.type === VFIO_NOIOMMU_IOMMU;
  }

  /** Whether the container has no group. */
  get empty(): boolean {
    return this.#groups.size === 0;
  }

  /** Adds a further group. @throws (rejects) EINVAL, EPERM or EBUSY if the IOMMU cannot hold it beside the others */
  async join(group: Group): Promise<void> {
    const undo = new Unwinding();
    try {
      await this.#set(group, undo);
      // The reserved ranges of the new group cannot be mapped any more.
      if (this.#target !== undefined) await this.space.refreshTarget(this.#target);
    } catch (error) {
      throw await undo.failed(error);
    }
  }

  /** Removes a group. After the last group the container is closed. Every step runs, even if an earlier one fails. */
  async leave(group: Group): Promise<void> {
    const undo = new Unwinding();
    if (this.#groups.size === 1) {
      undo.push(() => this.close());
    }
    undo.push(() => this.#unset(group));
    // Runs first: nothing may be mapped in a container that is about to lose its IOMMU.
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
   * Tells whether the group is still in a container. When the last device of a group loses its driver, the kernel removes the
   * group from its container, and the group fails with ENODEV from then on.
   * Source: vfio_device_remove_group, vfio_group_ioctl_get_status
   */
  #holds(group: Group): boolean {
    try {
      const { flags } = callKernel('getGroupStatus', { path: group.path }, () => this.#kernel.getGroupStatus(group.fd));
      return (flags & VFIO_GROUP_FLAGS_CONTAINER_SET) !== 0;
    } catch (error) {
      // If the kernel does not say, the error that led here counts.
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
  throw new VfioError(`the kernel's VFIO interface must have version ${VFIO_API_VERSION}. It has ${version}`, {
    code: 'ERR_NOT_SUPPORTED',
    syscall: 'ioctl(VFIO_GET_API_VERSION)',
    path: PATH,
  });
}

/** Chooses the type of the IOMMU. type1v2 comes before type1: it unmaps whole mappings only, as the engine does. */
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
