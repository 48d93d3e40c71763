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
import { FileTable, type OpenFile } from './file-table.js';
import { GroupFile, type KvmReference, type VfioGroup } from '../group/vfio-group.js';
import type { IommuDriver } from '../iommu/iommu-driver.js';
import { IommufdContext } from '../container/iommufd-compat.js';
import type { DescriptorNumbers } from './descriptor-numbers.js';
import type { VfioContainer } from '../container/vfio-container.js';
import type { Caller, MemlockAccount } from '../base/caller.js';
import type { DirtyRange } from '../../base/iova-range.js';
import type { ProcessOptions } from './machine-options.js';
import { runSyscall, runSyscallAsync, failWith } from '../base/errno-failure.js';
import { DeviceFile } from '../group/device-file.js';
import type { VfioDriver } from '../group/vfio-driver.js';

const CONTAINER_PATH = { path: '/dev/vfio/vfio' };

/** The machine, as its processes use it. `SoftwareMachine` implements it. */
export interface ProcessMachine {
  readonly sysfs: Sysfs;
  readonly descriptorNumbers: DescriptorNumbers;
  /** Starts another process. */
  process(options: ProcessOptions): SoftwareProcess;
  /** Forgets a process that ended. */
  forget(process: SoftwareProcess): void;
  /** Returns the name of the device that an alias stands for, other names unchanged. */
  resolve(name: string): string;
  /** Returns the group of /dev/vfio/NAME, undefined if there is none. */
  vfioGroup(name: string): VfioGroup | undefined;
  createContainer(): VfioContainer;
  createIommufd(): IommufdContext;
}

/**
 * A simulated process: a kernel object with its own descriptors, capabilities and limit of locked memory.
 * Thread: the one that made the machine.
 */
export class SoftwareProcess implements VfioKernel, Caller, MemlockAccount {
  readonly kind = 'software';
  readonly sysfs: Sysfs;
  readonly capSysRawio: boolean;
  /** How many bytes of memory the mappings of this process lock. @internal */
  lockedBytes = 0n;
  readonly #files: FileTable;

  constructor(
    private readonly machine: ProcessMachine,
    private readonly options: ProcessOptions = {},
  ) {
    this.sysfs = machine.sysfs;
    this.capSysRawio = options.capSysRawio ?? true;
    this.#files = new FileTable(machine.descriptorNumbers);
  }

  /** How many more bytes it can lock. 2^64 without a limit. @internal */
  get lockableBytes(): bigint {
    const limit = this.options.memlockLimit ?? Infinity;
    if ((this.options.capIpcLock ?? true) || limit === Infinity) return 1n << 64n;
    const left = BigInt(Math.trunc(limit)) - this.lockedBytes;
    return left > 0n ? left : 0n;
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
    this.#files.inheritTo(child.#files);
    return child;
  }

  /** Closes all descriptors and ends the process: exit(2). */
  async exit(): Promise<void> {
    await this.#files.closeAll();
    this.machine.forget(this);
  }

  /** Returns the name of the device that an alias stands for, other names unchanged. */
  resolveName(name: string): string {
    return this.machine.resolve(name);
  }

  /** Makes another descriptor of the same open file: dup(2). @throws EBADF */
  dup(fd: Fd): Fd {
    return runSyscall('dup', {}, () => this.#files.duplicate(fd));
  }

  close(fd: Fd): Promise<void> {
    return runSyscallAsync('close', {}, () => this.#files.close(fd));
  }

  openContainer(): Promise<Fd> {
    return runSyscallAsync('open', CONTAINER_PATH, () =>
      this.#files.install(new ContainerFile(this.machine.createContainer()), 'vfio-container'),
    );
  }

  /** Opens /dev/iommu, which `setContainer` accepts in the place of a container. */
  openIommufd(): Promise<Fd> {
    return runSyscallAsync('open', { path: '/dev/iommu' }, () =>
      this.#files.install(this.machine.createIommufd(), 'iommufd'),
    );
  }

  getApiVersion(container: Fd): number {
    return runSyscall('ioctl(VFIO_GET_API_VERSION)', CONTAINER_PATH, () => {
      this.#contextOf(container);
      return VFIO_API_VERSION;
    });
  }

  checkExtension(container: Fd, extension: number): number {
    return runSyscall('ioctl(VFIO_CHECK_EXTENSION)', CONTAINER_PATH, () =>
      this.#contextOf(container).checkExtension(extension),
    );
  }

  setIommu(container: Fd, type: number): Promise<void> {
    return runSyscallAsync('ioctl(VFIO_SET_IOMMU)', CONTAINER_PATH, () =>
      this.#contextOf(container).setIommu(type, this),
    );
  }

  getIommuInfo(container: Fd, argsz?: number): IommuInfo {
    return runSyscall('ioctl(VFIO_IOMMU_GET_INFO)', CONTAINER_PATH, () => this.#iommuOf(container).getInfo(argsz));
  }

  mapDma(container: Fd, map: DmaMap): Promise<void> {
    return runSyscallAsync('ioctl(VFIO_IOMMU_MAP_DMA)', CONTAINER_PATH, () => this.#iommuOf(container).map(map, this));
  }

  unmapDma(container: Fd, unmap: DmaUnmap): Promise<DmaUnmapResult> {
    return runSyscallAsync('ioctl(VFIO_IOMMU_UNMAP_DMA)', CONTAINER_PATH, () => this.#iommuOf(container).unmap(unmap));
  }

  setDirtyTracking(container: Fd, enabled: boolean): Promise<void> {
    return runSyscallAsync('ioctl(VFIO_IOMMU_DIRTY_PAGES)', CONTAINER_PATH, () =>
      this.#iommuOf(container).setDirtyTracking(enabled),
    );
  }

  getDirtyBitmap(container: Fd, range: DirtyRange): Promise<Uint8Array> {
    return runSyscallAsync('ioctl(VFIO_IOMMU_DIRTY_PAGES)', CONTAINER_PATH, () =>
      this.#iommuOf(container).getDirtyBitmap(range),
    );
  }

  openGroup(name: string): Promise<Fd> {
    return runSyscallAsync('open', { path: `/dev/vfio/${name}` }, async () => {
      const group = this.machine.vfioGroup(name) ?? failWith('ENOENT');
      return this.#files.install(await group.open(this), `vfio-group-${name}`);
    });
  }

  getGroupStatus(group: Fd, argsz?: number): GroupStatus {
    return runSyscall('ioctl(VFIO_GROUP_GET_STATUS)', this.#where(group), () =>
      this.#groupOf(group).group.getStatus(argsz),
    );
  }

  setContainer(group: Fd, container: Fd): Promise<void> {
    return runSyscallAsync('ioctl(VFIO_GROUP_SET_CONTAINER)', this.#where(group), () => {
      const file = this.#groupOf(group);
      const target = this.#files.lookUp(container);
      if (target instanceof ContainerFile) return file.group.setContainer(target.container, this);
      return file.group.setContainer(target instanceof IommufdContext ? target : null, this);
    });
  }

  unsetContainer(group: Fd): Promise<void> {
    return runSyscallAsync('ioctl(VFIO_GROUP_UNSET_CONTAINER)', this.#where(group), () =>
      this.#groupOf(group).group.unsetContainer(),
    );
  }

  getDeviceFd(group: Fd, name: string): Promise<Fd> {
    return runSyscallAsync('ioctl(VFIO_GROUP_GET_DEVICE_FD)', { ...this.#where(group), device: name }, async () => {
      const device = await this.#groupOf(group).group.findDevice(name);
      try {
        return this.#files.install(await device.open(this), `vfio-device-${device.name}`);
      } catch (error) {
        device.putRegistration();
        throw error;
      }
    });
  }

  getDeviceInfo(device: Fd, argsz?: number): DeviceInfo {
    return runSyscall('ioctl(VFIO_DEVICE_GET_INFO)', this.#where(device), () => this.#driverOf(device).getInfo(argsz));
  }

  getRegionInfo(device: Fd, regionIndex: number, argsz?: number): RegionInfo {
    return runSyscall('ioctl(VFIO_DEVICE_GET_REGION_INFO)', this.#where(device), () =>
      this.#driverOf(device).getRegionInfo(regionIndex, argsz),
    );
  }

  getIrqInfo(device: Fd, irqIndex: number, argsz?: number): IrqInfo {
    return runSyscall('ioctl(VFIO_DEVICE_GET_IRQ_INFO)', this.#where(device), () =>
      this.#driverOf(device).getIrqInfo(irqIndex, argsz),
    );
  }

  setIrqs(device: Fd, set: IrqSet): Promise<void> {
    return runSyscallAsync('ioctl(VFIO_DEVICE_SET_IRQS)', this.#where(device), () =>
      this.#driverOf(device).setIrqs(set),
    );
  }

  resetDevice(device: Fd): Promise<void> {
    return runSyscallAsync('ioctl(VFIO_DEVICE_RESET)', this.#where(device), () => this.#driverOf(device).reset());
  }

  pread(device: Fd, fileOffset: bigint, length: number): Promise<Uint8Array> {
    return runSyscallAsync('pread', this.#where(device), () =>
      this.#driverOf(device, 'EINVAL').read(fileOffset, length),
    );
  }

  pwrite(device: Fd, fileOffset: bigint, data: Uint8Array): Promise<number> {
    return runSyscallAsync('pwrite', this.#where(device), () =>
      this.#driverOf(device, 'EINVAL').write(fileOffset, data),
    );
  }

  mmap(
    device: Fd,
    fileOffset: bigint,
    length: number,
    prot: { read: boolean; write: boolean },
  ): Promise<MappingHandle> {
    return runSyscallAsync('mmap', this.#where(device), () =>
      this.#driverOf(device, 'ENODEV').map(fileOffset, length, prot),
    );
  }

  ioTarget(device: Fd): IoTarget {
    return runSyscall('ioTarget', this.#where(device), () => this.#driverOf(device).ioTarget);
  }

  /**
   * Links a virtual machine to a group. The group's devices hold it while they are open.
   * Source: vfio_file_set_kvm
   * @param kvm null to remove the link
   */
  setKvm(group: Fd, kvm: KvmReference | null): void {
    runSyscall('vfio_file_set_kvm', this.#where(group), () => {
      this.#groupOf(group).group.kvm = kvm;
    });
  }

  /** Tells whether the IOMMU enforces cache coherency for every device of a group. Source: vfio_file_enforced_coherent */
  fileEnforcedCoherent(group: Fd): boolean {
    return runSyscall('vfio_file_enforced_coherent', this.#where(group), () =>
      this.#groupOf(group).group.devices.every((device) => device.enforcesCoherency),
    );
  }

  #where(fd: Fd): { path: string } | { device: string } | object {
    const file = this.#files.peek(fd);
    if (file instanceof GroupFile) return { path: file.group.path };
    return file instanceof DeviceFile ? { device: file.device.name } : {};
  }

  /** Returns the container of a descriptor, or the iommufd in its place. @throws EBADF, ENOTTY */
  #contextOf(fd: Fd): VfioContainer | IommufdContext {
    const file = this.#files.get(fd);
    if (file instanceof ContainerFile) return file.container;
    return file instanceof IommufdContext ? file : unknownCall(file);
  }

  #iommuOf(fd: Fd): IommuDriver {
    const file = this.#files.get(fd);
    if (file instanceof ContainerFile) return file.container.usableDriver;
    return file instanceof IommufdContext ? file.addressSpace : unknownCall(file);
  }

  #groupOf(fd: Fd): GroupFile {
    const file = this.#files.get(fd);
    return file instanceof GroupFile ? file : unknownCall(file);
  }

  #driverOf(fd: Fd, otherwise?: 'EINVAL' | 'ENODEV'): VfioDriver {
    const file = this.#files.get(fd);
    if (file instanceof DeviceFile) return file.device.driver;
    return otherwise === undefined ? unknownCall(file) : failWith(otherwise);
  }
}

/** Fails an ioctl that the file does not have. A container without an IOMMU answers EINVAL. */
function unknownCall(file: OpenFile): never {
  return failWith(file instanceof ContainerFile && file.container.driver === null ? 'EINVAL' : 'ENOTTY');
}
