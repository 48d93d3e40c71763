import type { VfioError } from '../../base/errors.js';
import { VFIO_API_VERSION } from '../../uapi/vfio.js';
import type { LockedMemory } from '../../kernel/locked-memory.js';
import type { Sysfs } from '../../kernel/sysfs.js';
import type {
  DeviceInfo,
  DmaMap,
  DmaUnmap,
  DmaUnmapResult,
  Fd,
  GroupStatus,
  IommuInfo,
  IoTarget,
  IrqInfo,
  IrqSet,
  MappingHandle,
  RegionInfo,
  VfioKernel,
} from '../../kernel/kernel.js';
import { ContainerFile } from '../container/container-file.js';
import { GroupFile, type KvmReference, type VfioGroup } from '../group/vfio-group.js';
import type { ContainerIommu } from '../iommu/iommu-driver.js';
import { IommufdContext } from '../iommufd/iommufd-context.js';
import type { VfioCompat } from '../iommufd/vfio-compat.js';
import { CdevFile } from '../group/cdev-file.js';
import { type IommufdMachine, IommufdProcess } from './iommufd-process.js';
import { unknownCall } from './process-calls.js';
import type { VfioContainer } from '../container/vfio-container.js';
import type { DirtyRange } from '../../base/iova-range.js';
import type { ProcessOptions } from './machine-options.js';
import { runSyscall, runSyscallAsync, failWith } from '../base/errno-failure.js';
import { DeviceFile } from '../group/device-file.js';
import type { VfioDriver } from '../group/vfio-driver.js';

const CONTAINER_PATH = { path: '/dev/vfio/vfio' };

/** The machine, as its processes use it. `SoftwareMachine` implements it. */
export interface ProcessMachine extends IommufdMachine {
  readonly sysfs: Sysfs;
  /** Starts another process. */
  process(options: ProcessOptions): SoftwareProcess;
  /** Forgets a process that ended. */
  forget(process: SoftwareProcess): void;
  /** Returns the name of the device that an alias stands for, other names unchanged. */
  resolve(name: string): string;
  /** Returns the group of /dev/vfio/NAME, undefined if there is none. */
  vfioGroup(name: string): VfioGroup | undefined;
  createContainer(): VfioContainer;
}

/**
 * A simulated process: a kernel object with its own descriptors, capabilities and limit of locked memory.
 * Thread: the one that made the machine.
 */
export class SoftwareProcess extends IommufdProcess implements VfioKernel {
  /** Tells this kernel from the real one. */
  readonly kind = 'software';
  /** The machine's /sys. */
  readonly sysfs: Sysfs;
  /** @internal */
  readonly capSysRawio: boolean;

  private constructor(
    private readonly machine: ProcessMachine,
    options: ProcessOptions = {},
  ) {
    super(machine, options);
    this.sysfs = machine.sysfs;
    this.capSysRawio = options.capSysRawio ?? true;
  }

  /** @internal Use `SoftwareMachine.process`. */
  static create(machine: ProcessMachine, options?: ProcessOptions): SoftwareProcess {
    return new SoftwareProcess(machine, options);
  }

  /** Returns how many bytes its mappings lock, and the limit. */
  lockedMemory(): LockedMemory {
    const limit = this.options.memlockLimit ?? Infinity;
    const limitBytes = limit === Infinity ? 'unlimited' : BigInt(Math.trunc(limit));
    return { lockedBytes: this.lockedBytes, limitBytes, countedFor: 'process' };
  }

  /** Makes a child process with the same descriptors: fork(2). @param options replace those of the parent */
  fork(options: ProcessOptions = {}): SoftwareProcess {
    const child = this.machine.process({ ...this.options, ...options });
    this.files.inheritTo(child.files);
    return child;
  }

  /** Ends the process: exit(2). Its calls return first, then its descriptors are closed. */
  async exit(): Promise<void> {
    await this.files.end();
    this.machine.forget(this);
  }

  /** Returns the name of the device that an alias stands for, other names unchanged. */
  resolveName(name: string): string {
    return this.machine.resolve(name);
  }

  /** Makes another descriptor of the same open file: dup(2). @throws EBADF */
  dup(fd: Fd): Fd {
    return runSyscall('dup', {}, () => this.files.duplicate(fd));
  }

  /** Closes a descriptor: close(2). The last descriptor of a file releases it. @throws EBADF */
  close(fd: Fd): Promise<void> {
    return runSyscallAsync('close', {}, () => this.files.close(fd));
  }

  /** Opens /dev/vfio/vfio. */
  openContainer(): Promise<Fd> {
    return this.call('open', CONTAINER_PATH, [], () =>
      this.files.open('vfio-container', () => new ContainerFile(this.machine.createContainer())),
    );
  }

  /** Answers VFIO_GET_API_VERSION. @throws EBADF, ENOTTY */
  getApiVersion(container: Fd): number {
    return runSyscall('ioctl(VFIO_GET_API_VERSION)', CONTAINER_PATH, () => {
      this.#contextOf(container);
      return VFIO_API_VERSION;
    });
  }

  /** Answers VFIO_CHECK_EXTENSION. @returns 0 for an extension that is not supported @throws EBADF, ENOTTY */
  checkExtension(container: Fd, extension: number): number {
    return runSyscall('ioctl(VFIO_CHECK_EXTENSION)', CONTAINER_PATH, () =>
      this.#contextOf(container).checkExtension(extension),
    );
  }

  /** Performs VFIO_SET_IOMMU. @throws EINVAL, ENODEV, EPERM, and the errno of the attach of a group */
  setIommu(container: Fd, type: number): Promise<void> {
    return this.call('ioctl(VFIO_SET_IOMMU)', CONTAINER_PATH, [container], () =>
      this.#contextOf(container).setIommu(type, this),
    );
  }

  /** Answers VFIO_IOMMU_GET_INFO. @param argsz bytes, the room for the answer @throws EINVAL before VFIO_SET_IOMMU */
  getIommuInfo(container: Fd, argsz?: number): IommuInfo {
    return runSyscall('ioctl(VFIO_IOMMU_GET_INFO)', CONTAINER_PATH, () => this.#iommuOf(container).getInfo(argsz));
  }

  /** Performs VFIO_IOMMU_MAP_DMA. @throws EINVAL, EEXIST, ENOENT, ENOSPC, EFAULT, ENOMEM */
  mapDma(container: Fd, map: DmaMap): Promise<void> {
    return this.call('ioctl(VFIO_IOMMU_MAP_DMA)', CONTAINER_PATH, [container], () =>
      this.#iommuOf(container).map(map, this),
    );
  }

  /** Performs VFIO_IOMMU_UNMAP_DMA. @throws EINVAL, ENOENT, EBUSY */
  unmapDma(container: Fd, unmap: DmaUnmap): Promise<DmaUnmapResult> {
    return this.call('ioctl(VFIO_IOMMU_UNMAP_DMA)', CONTAINER_PATH, [container], () =>
      this.#iommuOf(container).unmap(unmap),
    );
  }

  /** Performs VFIO_IOMMU_DIRTY_PAGES with START or STOP. @throws EINVAL, EACCES, ENOTTY */
  setDirtyTracking(container: Fd, enabled: boolean): Promise<void> {
    return this.call('ioctl(VFIO_IOMMU_DIRTY_PAGES)', CONTAINER_PATH, [container], () =>
      this.#iommuOf(container).setDirtyTracking(enabled),
    );
  }

  /** Performs VFIO_IOMMU_DIRTY_PAGES with GET_BITMAP. @returns one bit for each page @throws EINVAL, EACCES, ENOTTY */
  getDirtyBitmap(container: Fd, range: DirtyRange): Promise<Uint8Array> {
    return this.call('ioctl(VFIO_IOMMU_DIRTY_PAGES)', CONTAINER_PATH, [container], () =>
      this.#iommuOf(container).getDirtyBitmap(range),
    );
  }

  /** Opens /dev/vfio/NAME. @param name for example `26` or `noiommu-0` @throws ENOENT, ENODEV, EPERM, EBUSY */
  openGroup(name: string): Promise<Fd> {
    return this.call('open', { path: `/dev/vfio/${name}` }, [], () =>
      this.files.open(`vfio-group-${name}`, () => (this.machine.vfioGroup(name) ?? failWith('ENOENT')).open(this)),
    );
  }

  /** Answers VFIO_GROUP_GET_STATUS. @param argsz bytes, the room for the answer @throws EINVAL, ENODEV */
  getGroupStatus(group: Fd, argsz?: number): GroupStatus {
    return runSyscall('ioctl(VFIO_GROUP_GET_STATUS)', this.where(group), () =>
      this.#groupOf(group).group.getStatus(argsz),
    );
  }

  /** Performs VFIO_GROUP_SET_CONTAINER. @throws EINVAL, EBADF, EBADFD, ENODEV, EPERM */
  setContainer(group: Fd, container: Fd): Promise<void> {
    return this.call('ioctl(VFIO_GROUP_SET_CONTAINER)', this.where(group), [group, container], () => {
      const file = this.#groupOf(group);
      const target = this.files.lookUp(container);
      if (target instanceof ContainerFile) return file.group.setContainer(target.container, this);
      return file.group.setContainer(target instanceof IommufdContext ? target : null, this);
    });
  }

  /** Performs VFIO_GROUP_UNSET_CONTAINER. @throws EINVAL, EBUSY */
  unsetContainer(group: Fd): Promise<void> {
    return this.call('ioctl(VFIO_GROUP_UNSET_CONTAINER)', this.where(group), [group], () =>
      this.#groupOf(group).group.unsetContainer(),
    );
  }

  /** Performs VFIO_GROUP_GET_DEVICE_FD. @throws ENODEV, EINVAL, EPERM, and the error of the model's start */
  getDeviceFd(group: Fd, name: string): Promise<Fd> {
    return this.call('ioctl(VFIO_GROUP_GET_DEVICE_FD)', { ...this.where(group), device: name }, [group], async () => {
      const device = await this.#groupOf(group).group.findDevice(name);
      try {
        return await this.files.open(`vfio-device-${device.name}`, () => device.open(this));
      } catch (error) {
        device.putRegistration();
        throw error;
      }
    });
  }

  /** Answers VFIO_DEVICE_GET_INFO. @param argsz bytes, the room for the answer @throws EINVAL */
  getDeviceInfo(device: Fd, argsz?: number): DeviceInfo {
    return runSyscall('ioctl(VFIO_DEVICE_GET_INFO)', this.where(device), () => this.#driverOf(device).getInfo(argsz));
  }

  /** Answers VFIO_DEVICE_GET_REGION_INFO. @param argsz bytes, the room for the answer @throws EINVAL */
  getRegionInfo(device: Fd, regionIndex: number, argsz?: number): RegionInfo {
    return runSyscall('ioctl(VFIO_DEVICE_GET_REGION_INFO)', this.where(device), () =>
      this.#driverOf(device).getRegionInfo(regionIndex, argsz),
    );
  }

  /** Answers VFIO_DEVICE_GET_IRQ_INFO. @param argsz bytes, the room for the answer @throws EINVAL */
  getIrqInfo(device: Fd, irqIndex: number, argsz?: number): IrqInfo {
    return runSyscall('ioctl(VFIO_DEVICE_GET_IRQ_INFO)', this.where(device), () =>
      this.#driverOf(device).getIrqInfo(irqIndex, argsz),
    );
  }

  /** Performs VFIO_DEVICE_SET_IRQS. @throws EINVAL, ENOTTY, ERANGE, EBADF, and the errno of the device */
  setIrqs(device: Fd, set: IrqSet): Promise<void> {
    return this.call('ioctl(VFIO_DEVICE_SET_IRQS)', this.where(device), [device], () =>
      this.#driverOf(device).setIrqs(set),
    );
  }

  /** Performs VFIO_DEVICE_RESET. @throws EINVAL if the device has no reset, and the errno of the device */
  resetDevice(device: Fd): Promise<void> {
    return this.call('ioctl(VFIO_DEVICE_RESET)', this.where(device), [device], () => this.#driverOf(device).reset());
  }

  /**
   * Reads from a region of a device: pread(2).
   * @param length bytes
   * @throws EINVAL, EFAULT, and the errno of the device
   */
  pread(device: Fd, fileOffset: bigint, length: number): Promise<Uint8Array> {
    return this.call('pread', this.where(device), [device], () =>
      this.#driverOf(device, 'EINVAL').read(fileOffset, length),
    );
  }

  /** Writes to a region of a device: pwrite(2). @throws EINVAL, EFAULT, and the errno of the device */
  pwrite(device: Fd, fileOffset: bigint, data: Uint8Array): Promise<number> {
    return this.call('pwrite', this.where(device), [device], () =>
      this.#driverOf(device, 'EINVAL').write(fileOffset, data),
    );
  }

  /** Maps a part of a region: mmap(2). @param length bytes @throws EINVAL, ENODEV for a file that is not a device */
  mmap(
    device: Fd,
    fileOffset: bigint,
    length: number,
    prot: { read: boolean; write: boolean },
  ): Promise<MappingHandle> {
    return this.call('mmap', this.where(device), [device], () =>
      this.#driverOf(device, 'ENODEV').map(fileOffset, length, prot),
    );
  }

  /** Maps a part of a region again at the address of a mapping that was revoked. @throws EBADF, ENXIO, EINVAL, ENODEV */
  restoreMapping(device: Fd, mapping: MappingHandle, fileOffset: bigint): Promise<void> {
    return this.call('mmap', this.where(device), [device], () =>
      this.#driverOf(device, 'ENODEV').restoreMapping(mapping, fileOffset),
    );
  }

  /** Returns the connection through which native code reads and writes the device's regions. @throws EBADF, ENOTTY */
  ioTarget(device: Fd): IoTarget {
    return runSyscall('ioTarget', this.where(device), () => this.#driverOf(device).ioTarget);
  }

  /** Calls back once, with the reason, when the model of an open device has ended. @returns ends the watch @throws EBADF */
  watchRemoval(device: Fd, onGone: (reason: VfioError) => void): () => void {
    return runSyscall('watchRemoval', this.where(device), () => this.#driverOf(device).watchRemoval(onGone));
  }

  /**
   * Links a virtual machine to a group. The group's devices hold it while they are open.
   * Source: vfio_file_set_kvm
   * @param kvm null to remove the link
   */
  setKvm(group: Fd, kvm: KvmReference | null): void {
    runSyscall('vfio_file_set_kvm', this.where(group), () => {
      this.#groupOf(group).group.kvm = kvm;
    });
  }

  /** Tells whether the IOMMU enforces cache coherency for every device of a group. Source: vfio_file_enforced_coherent */
  fileEnforcedCoherent(group: Fd): boolean {
    return runSyscall('vfio_file_enforced_coherent', this.where(group), () =>
      this.#groupOf(group).group.devices.every((device) => device.enforcesCoherency),
    );
  }

  /** Returns the container of a descriptor, or the iommufd in its place. @throws EBADF, ENOTTY */
  #contextOf(fd: Fd): VfioContainer | VfioCompat {
    const file = this.files.get(fd);
    if (file instanceof ContainerFile) return file.container;
    return file instanceof IommufdContext ? file.compat : unknownCall(file);
  }

  #iommuOf(fd: Fd): ContainerIommu {
    const file = this.files.get(fd);
    if (file instanceof ContainerFile) return file.container.usableDriver;
    return file instanceof IommufdContext ? file.compat : unknownCall(file);
  }

  #groupOf(fd: Fd): GroupFile {
    const file = this.files.get(fd);
    return file instanceof GroupFile ? file : unknownCall(file);
  }

  #driverOf(fd: Fd, otherwise?: 'EINVAL' | 'ENODEV'): VfioDriver {
    const file = this.files.get(fd);
    if (file instanceof DeviceFile) return file.device.driver;
    if (file instanceof CdevFile) return file.bound.driver;
    return otherwise === undefined ? unknownCall(file) : failWith(otherwise);
  }
}
