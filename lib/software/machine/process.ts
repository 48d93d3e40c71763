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
import { Descriptors, type OpenFile } from './descriptors.js';
import { GroupFile } from '../group/group.js';
import type { IommuDriver } from '../container/iommu-driver.js';
import { IommufdContext } from '../group/iommufd-compat.js';
import type { SoftwareMachine } from './machine.js';
import type { ProcessOptions } from './options.js';
import { answer, answerLater, refuse } from '../refusal.js';
import { DeviceFile, type KvmReference, type VfioDriver } from '../group/vfio-device.js';

const CONTAINER_PATH = { path: '/dev/vfio/vfio' };

/** A simulated process: a kernel object with descriptors, capabilities and a limit of locked memory of its own. */
export class SoftwareProcess implements VfioKernel {
  readonly kind = 'software';
  readonly sysfs: Sysfs;
  readonly capSysRawio: boolean;
  /** Bytes of memory that mappings of this process lock. */
  lockedBytes = 0n;
  readonly #descriptors: Descriptors;

  constructor(
    private readonly machine: SoftwareMachine,
    private readonly options: ProcessOptions = {},
  ) {
    this.sysfs = machine.sysfs;
    this.capSysRawio = options.capSysRawio ?? true;
    this.#descriptors = new Descriptors(machine.placeholders);
  }

  /** How many more bytes it may lock; more than there are where no limit binds it. */
  get lockableBytes(): bigint {
    const limit = this.options.memlockLimit ?? Infinity;
    if ((this.options.capIpcLock ?? true) || limit === Infinity) return 1n << 64n;
    const left = BigInt(Math.trunc(limit)) - this.lockedBytes;
    return left > 0n ? left : 0n;
  }

  lockedMemory(): LockedMemory {
    const limit = this.options.memlockLimit ?? Infinity;
    const limitBytes = limit === Infinity ? 'unlimited' : BigInt(Math.trunc(limit));
    return { lockedBytes: this.lockedBytes, limitBytes, countedFor: 'process' };
  }

  /** How many descriptors it has open. */
  get openFiles(): number {
    return this.#descriptors.size;
  }

  /** fork(2): a child with the same descriptors, and `options` where they differ from its parent's. */
  fork(options: ProcessOptions = {}): SoftwareProcess {
    const child = this.machine.process({ ...this.options, ...options });
    this.#descriptors.inheritTo(child.#descriptors);
    return child;
  }

  /** exit(2): closes everything. */
  async exit(): Promise<void> {
    await this.#descriptors.closeAll();
    this.machine.forget(this);
  }

  /** Gives a device's whole name for a short one; other names stay as they are. */
  resolveName(name: string): string {
    return this.machine.resolve(name);
  }

  /** dup(2). @throws EBADF */
  dup(fd: Fd): Fd {
    return answer('dup', {}, () => this.#descriptors.duplicate(fd));
  }

  close(fd: Fd): Promise<void> {
    return answerLater('close', {}, () => this.#descriptors.close(fd));
  }

  openContainer(): Promise<Fd> {
    return answerLater('open', CONTAINER_PATH, () =>
      this.#descriptors.install(new ContainerFile(this.machine.createContainer()), 'vfio-container'),
    );
  }

  /** open(/dev/iommu) */
  openIommufd(): Promise<Fd> {
    return answerLater('open', { path: '/dev/iommu' }, () =>
      this.#descriptors.install(this.machine.createIommufd(), 'iommufd'),
    );
  }

  getApiVersion(container: Fd): number {
    return answer('ioctl(VFIO_GET_API_VERSION)', CONTAINER_PATH, () => {
      this.#contextOf(container);
      return VFIO_API_VERSION;
    });
  }

  checkExtension(container: Fd, extension: number): number {
    return answer('ioctl(VFIO_CHECK_EXTENSION)', CONTAINER_PATH, () =>
      this.#contextOf(container).checkExtension(extension),
    );
  }

  setIommu(container: Fd, type: number): Promise<void> {
    return answerLater('ioctl(VFIO_SET_IOMMU)', CONTAINER_PATH, () => this.#contextOf(container).setIommu(type, this));
  }

  getIommuInfo(container: Fd, argsz?: number): IommuInfo {
    return answer('ioctl(VFIO_IOMMU_GET_INFO)', CONTAINER_PATH, () => this.#iommuOf(container).getInfo(argsz));
  }

  mapDma(container: Fd, map: DmaMap): Promise<void> {
    return answerLater('ioctl(VFIO_IOMMU_MAP_DMA)', CONTAINER_PATH, () => this.#iommuOf(container).map(map, this));
  }

  unmapDma(container: Fd, unmap: DmaUnmap): Promise<DmaUnmapResult> {
    return answerLater('ioctl(VFIO_IOMMU_UNMAP_DMA)', CONTAINER_PATH, () => this.#iommuOf(container).unmap(unmap));
  }

  setDirtyTracking(container: Fd, enabled: boolean): Promise<void> {
    return answerLater('ioctl(VFIO_IOMMU_DIRTY_PAGES)', CONTAINER_PATH, () =>
      this.#iommuOf(container).setDirtyTracking(enabled),
    );
  }

  getDirtyBitmap(container: Fd, range: { iova: bigint; size: bigint; pageSize: bigint }): Promise<Uint8Array> {
    return answerLater('ioctl(VFIO_IOMMU_DIRTY_PAGES)', CONTAINER_PATH, () =>
      this.#iommuOf(container).getDirtyBitmap(range),
    );
  }

  openGroup(name: string): Promise<Fd> {
    return answerLater('open', { path: `/dev/vfio/${name}` }, async () => {
      const group = this.machine.vfioGroup(name) ?? refuse('ENOENT');
      return this.#descriptors.install(await group.open(this), `vfio-group-${name}`);
    });
  }

  getGroupStatus(group: Fd, argsz?: number): GroupStatus {
    return answer('ioctl(VFIO_GROUP_GET_STATUS)', this.#where(group), () =>
      this.#groupOf(group).group.getStatus(argsz),
    );
  }

  setContainer(group: Fd, container: Fd): Promise<void> {
    return answerLater('ioctl(VFIO_GROUP_SET_CONTAINER)', this.#where(group), () => {
      const file = this.#groupOf(group);
      const target = this.#descriptors.lookUp(container);
      if (target instanceof ContainerFile) return file.group.setContainer(target.container, this);
      return file.group.setContainer(target instanceof IommufdContext ? target : null, this);
    });
  }

  unsetContainer(group: Fd): Promise<void> {
    return answerLater('ioctl(VFIO_GROUP_UNSET_CONTAINER)', this.#where(group), () =>
      this.#groupOf(group).group.unsetContainer(),
    );
  }

  getDeviceFd(group: Fd, name: string): Promise<Fd> {
    return answerLater('ioctl(VFIO_GROUP_GET_DEVICE_FD)', { ...this.#where(group), device: name }, async () => {
      const device = await this.#groupOf(group).group.findDevice(name);
      try {
        return this.#descriptors.install(await device.open(this), `vfio-device-${device.device.name}`);
      } catch (error) {
        device.putRegistration();
        throw error;
      }
    });
  }

  getDeviceInfo(device: Fd, argsz?: number): DeviceInfo {
    return answer('ioctl(VFIO_DEVICE_GET_INFO)', this.#where(device), () => this.#driverOf(device).getInfo(argsz));
  }

  getRegionInfo(device: Fd, regionIndex: number, argsz?: number): RegionInfo {
    return answer('ioctl(VFIO_DEVICE_GET_REGION_INFO)', this.#where(device), () =>
      this.#driverOf(device).getRegionInfo(regionIndex, argsz),
    );
  }

  getIrqInfo(device: Fd, irqIndex: number, argsz?: number): IrqInfo {
    return answer('ioctl(VFIO_DEVICE_GET_IRQ_INFO)', this.#where(device), () =>
      this.#driverOf(device).getIrqInfo(irqIndex, argsz),
    );
  }

  setIrqs(device: Fd, set: IrqSet): Promise<void> {
    return answerLater('ioctl(VFIO_DEVICE_SET_IRQS)', this.#where(device), () => this.#driverOf(device).setIrqs(set));
  }

  resetDevice(device: Fd): Promise<void> {
    return answerLater('ioctl(VFIO_DEVICE_RESET)', this.#where(device), () => this.#driverOf(device).reset());
  }

  pread(device: Fd, fileOffset: bigint, length: number): Promise<Uint8Array> {
    return answerLater('pread', this.#where(device), () => this.#driverOf(device, 'EINVAL').read(fileOffset, length));
  }

  pwrite(device: Fd, fileOffset: bigint, data: Uint8Array): Promise<number> {
    return answerLater('pwrite', this.#where(device), () => this.#driverOf(device, 'EINVAL').write(fileOffset, data));
  }

  mmap(
    device: Fd,
    fileOffset: bigint,
    length: number,
    prot: { read: boolean; write: boolean },
  ): Promise<MappingHandle> {
    return answerLater('mmap', this.#where(device), () =>
      this.#driverOf(device, 'ENODEV').map(fileOffset, length, prot),
    );
  }

  ioTarget(device: Fd): IoTarget {
    return answer('ioTarget', this.#where(device), () => this.#driverOf(device).ioTarget);
  }

  /** Links a virtual machine to a group's file: its devices hold it while they are open. Source: vfio_file_set_kvm */
  setKvm(group: Fd, kvm: KvmReference | null): void {
    answer('vfio_file_set_kvm', this.#where(group), () => {
      this.#groupOf(group).group.kvm = kvm;
    });
  }

  /** Tells whether a group's file gives access to a device. Source: vfio_file_has_dev */
  fileHasDevice(group: Fd, device: string): boolean {
    return answer('vfio_file_has_dev', this.#where(group), () =>
      this.#groupOf(group).group.devices.some((one) => one.device.name === this.machine.resolve(device)),
    );
  }

  /** Tells whether all DMA of a group is cache coherent. Source: vfio_file_enforced_coherent */
  fileEnforcedCoherent(group: Fd): boolean {
    return answer('vfio_file_enforced_coherent', this.#where(group), () =>
      this.#groupOf(group).group.devices.every((one) => one.device.enforcesCoherency),
    );
  }

  #where(fd: Fd): { path: string } | { device: string } | object {
    const file = this.#descriptors.peek(fd);
    if (file instanceof GroupFile) return { path: file.group.path };
    return file instanceof DeviceFile ? { device: file.vfioDevice.device.name } : {};
  }

  /** A container, or an iommufd that stands for one. @throws EBADF, ENOTTY */
  #contextOf(fd: Fd): Context {
    const file = this.#descriptors.get(fd);
    if (file instanceof ContainerFile) return file.container;
    return file instanceof IommufdContext ? file : unknownCall(file);
  }

  #iommuOf(fd: Fd): IommuDriver {
    const file = this.#descriptors.get(fd);
    if (file instanceof ContainerFile) return file.container.usableDriver;
    return file instanceof IommufdContext ? file.addressSpace : unknownCall(file);
  }

  #groupOf(fd: Fd): GroupFile {
    const file = this.#descriptors.get(fd);
    return file instanceof GroupFile ? file : unknownCall(file);
  }

  #driverOf(fd: Fd, otherwise?: 'EINVAL' | 'ENODEV'): VfioDriver {
    const file = this.#descriptors.get(fd);
    if (file instanceof DeviceFile) return file.vfioDevice.driver;
    return otherwise === undefined ? unknownCall(file) : refuse(otherwise);
  }
}

/** What answers for a container. */
interface Context {
  checkExtension(extension: number): number;
  setIommu(type: number, caller: SoftwareProcess): Promise<void>;
}

/** Answers an ioctl that a file does not know. */
function unknownCall(file: OpenFile): never {
  return refuse(file instanceof ContainerFile && file.container.driver === null ? 'EINVAL' : 'ENOTTY');
}
