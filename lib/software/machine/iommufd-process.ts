import type { IovaRange } from '../../base/iova-range.js';
import type {
  HwptDirtyRange,
  IoasCopy,
  IoasIovaRanges,
  IoasMap,
  IommufdKernel,
  IommuHwInfo,
} from '../../kernel/iommufd.js';
import type { Fd } from '../../kernel/kernel.js';
import { failWith, runSyscall } from '../base/errno-failure.js';
import { CdevFile } from '../group/cdev-file.js';
import { DeviceFile } from '../group/device-file.js';
import * as ioctls from '../iommufd/ioctls.js';
import { type IommufdCall, IommufdContext } from '../iommufd/iommufd-context.js';
import type { DescriptorNumbers } from './descriptor-numbers.js';
import type { ProcessOptions } from './machine-options.js';
import { ProcessCalls, unknownCall } from './process-calls.js';

/** The machine, as the calls on iommufds and device nodes use it. `SoftwareMachine` implements it. */
export interface IommufdMachine {
  readonly descriptorNumbers: DescriptorNumbers;
  /** Opens /dev/iommu. @throws ENOENT if the machine has no iommufd */
  createIommufd(): IommufdContext;
  /** Opens /dev/vfio/devices/NAME. @throws ENOENT, ENODEV */
  openCdev(name: string): CdevFile;
}

const IOMMU = { path: '/dev/iommu' };

/** The calls of a process on iommufds and on device nodes. Thread: the one that made the machine. */
export abstract class IommufdProcess extends ProcessCalls implements IommufdKernel {
  readonly #machine: IommufdMachine;

  /** @internal */
  constructor(machine: IommufdMachine, options: ProcessOptions) {
    super(machine.descriptorNumbers, options);
    this.#machine = machine;
  }

  /** Opens /dev/iommu. @throws ENOENT if the machine has no iommufd */
  openIommufd(): Promise<Fd> {
    return this.call('open', IOMMU, [], () => this.files.open('iommufd', () => this.#machine.createIommufd()));
  }

  /** Opens /dev/vfio/devices/NAME. @param name such as `vfio0` @throws ENOENT, ENODEV */
  openCdev(name: string): Promise<Fd> {
    return this.call('open', { path: `/dev/vfio/devices/${name}` }, [], () =>
      this.files.open(`vfio-cdev-${name}`, () => this.#machine.openCdev(name)),
    );
  }

  /** Performs VFIO_DEVICE_BIND_IOMMUFD. @throws EPERM, EBUSY, EINVAL, EBADF, EBADFD, and the error of the model's start */
  bindIommufd(device: Fd, iommufd: Fd): Promise<number> {
    return this.call('ioctl(VFIO_DEVICE_BIND_IOMMUFD)', this.where(device), [device, iommufd], () => {
      const file = this.files.get(device);
      if (file instanceof DeviceFile) failWith('EINVAL');
      if (!(file instanceof CdevFile)) return unknownCall(file);
      if (iommufd < 0) failWith('EINVAL');
      return file.bind(() => {
        const target = this.files.lookUp(iommufd);
        return target instanceof IommufdContext ? target : failWith('EBADFD');
      });
    });
  }

  /** Performs VFIO_DEVICE_ATTACH_IOMMUFD_PT. @throws ENOENT, EINVAL, EADDRINUSE, EFAULT, ENOMEM */
  attachIommufdPt(device: Fd, ptId: number): Promise<number> {
    return this.call('ioctl(VFIO_DEVICE_ATTACH_IOMMUFD_PT)', this.where(device), [device], () =>
      this.#cdev(device).bound.attachPageTable(ptId),
    );
  }

  /** Performs VFIO_DEVICE_DETACH_IOMMUFD_PT. @throws EINVAL if the device is not bound */
  detachIommufdPt(device: Fd): Promise<void> {
    return this.call('ioctl(VFIO_DEVICE_DETACH_IOMMUFD_PT)', this.where(device), [device], () =>
      this.#cdev(device).bound.detachPageTable(),
    );
  }

  /** Performs IOMMU_DESTROY. @throws ENOENT, EBUSY */
  destroy(iommufd: Fd, id: number): Promise<void> {
    return this.#change('IOMMU_DESTROY', iommufd, ({ context }) => context.objects.destroy(id));
  }

  /** Performs IOMMU_IOAS_ALLOC. */
  allocIoas(iommufd: Fd): number {
    return this.#query('IOMMU_IOAS_ALLOC', iommufd, ({ context }) => context.allocIoas().id);
  }

  /** Performs IOMMU_IOAS_IOVA_RANGES. @throws ENOENT */
  getIovaRanges(iommufd: Fd, ioasId: number): IoasIovaRanges {
    return this.#query('IOMMU_IOAS_IOVA_RANGES', iommufd, ({ context }) => {
      const { table } = context.ioas(ioasId);
      return { iovaAlignment: table.alignment, ranges: table.reservations.usable };
    });
  }

  /** Performs IOMMU_IOAS_ALLOW_IOVAS. @throws ENOENT, EINVAL, EADDRINUSE */
  allowIovas(iommufd: Fd, ioasId: number, ranges: readonly IovaRange[]): void {
    this.#query('IOMMU_IOAS_ALLOW_IOVAS', iommufd, ({ context }) => {
      context.ioas(ioasId).table.reservations.allow(ranges);
    });
  }

  /** Performs IOMMU_IOAS_MAP. @throws EOPNOTSUPP, EOVERFLOW, EINVAL, ENOENT, EEXIST, ENOSPC, EFAULT, ENOMEM */
  mapIoas(iommufd: Fd, map: IoasMap): Promise<bigint> {
    return this.#change('IOMMU_IOAS_MAP', iommufd, (call) => ioctls.mapIoas(call, map));
  }

  /** The core is as Linux 6.12, which does not have IOMMU_IOAS_MAP_FILE. @throws ENOTTY */
  mapIoasFile(iommufd: Fd): Promise<bigint> {
    return this.#change('IOMMU_IOAS_MAP_FILE', iommufd, () => failWith('ENOTTY'));
  }

  /** Performs IOMMU_IOAS_UNMAP. @throws ENOENT, EINVAL, EOVERFLOW */
  unmapIoas(iommufd: Fd, ioasId: number, iova: bigint, size: bigint): Promise<bigint> {
    return this.#change('IOMMU_IOAS_UNMAP', iommufd, (call) => ioctls.unmapIoas(call, ioasId, { iova, size }));
  }

  /** Performs IOMMU_IOAS_COPY. @throws the errors of `mapIoas`; ENOENT, EPERM */
  copyIoas(iommufd: Fd, copy: IoasCopy): Promise<bigint> {
    return this.#change('IOMMU_IOAS_COPY', iommufd, (call) => ioctls.copyIoas(call, copy));
  }

  /** Performs IOMMU_OPTION with GET. @throws EOPNOTSUPP, ENOENT */
  getOption(iommufd: Fd, optionId: number, objectId: number): bigint {
    return this.#query('IOMMU_OPTION', iommufd, (call) => ioctls.getOption(call, optionId, objectId));
  }

  /** Performs IOMMU_OPTION with SET. @throws EOPNOTSUPP, ENOENT, EINVAL, EADDRINUSE, EBUSY */
  setOption(iommufd: Fd, optionId: number, objectId: number, value: bigint): void {
    this.#query('IOMMU_OPTION', iommufd, (call) => {
      ioctls.setOption(call, optionId, objectId, value);
    });
  }

  /** Performs IOMMU_HWPT_ALLOC. @throws ENOENT, EINVAL, EOPNOTSUPP, EADDRINUSE, EFAULT, ENOMEM */
  allocHwpt(iommufd: Fd, flags: number, deviceId: number, ioasId: number): Promise<number> {
    return this.#change('IOMMU_HWPT_ALLOC', iommufd, (call) =>
      ioctls.allocHwpt(call, flags, { deviceId, ptId: ioasId }),
    );
  }

  /** Performs IOMMU_HWPT_SET_DIRTY_TRACKING. @throws ENOENT, EOPNOTSUPP */
  setHwptDirtyTracking(iommufd: Fd, hwptId: number, enabled: boolean): Promise<void> {
    return this.#change('IOMMU_HWPT_SET_DIRTY_TRACKING', iommufd, ({ context }) => {
      context.hwpt(hwptId).setDirtyTracking(enabled);
    });
  }

  /** Performs IOMMU_HWPT_GET_DIRTY_BITMAP. @throws ENOENT, EINVAL, EOVERFLOW, EOPNOTSUPP */
  getHwptDirtyBitmap(iommufd: Fd, hwptId: number, range: HwptDirtyRange): Promise<Uint8Array> {
    return this.#change('IOMMU_HWPT_GET_DIRTY_BITMAP', iommufd, ({ context }) =>
      context.hwpt(hwptId).getDirtyBitmap(range),
    );
  }

  /** Performs IOMMU_GET_HW_INFO. @throws ENOENT */
  getHwInfo(iommufd: Fd, deviceId: number): IommuHwInfo {
    return this.#query('IOMMU_GET_HW_INFO', iommufd, (call) => ioctls.getHwInfo(call, deviceId));
  }

  #query<T>(ioctl: string, iommufd: Fd, body: (call: IommufdCall) => T): T {
    return runSyscall(`ioctl(${ioctl})`, IOMMU, () => body(this.#callOn(iommufd)));
  }

  #change<T>(ioctl: string, iommufd: Fd, body: (call: IommufdCall) => Promise<T> | T): Promise<T> {
    return this.call(`ioctl(${ioctl})`, IOMMU, [iommufd], () => body(this.#callOn(iommufd)));
  }

  #callOn(iommufd: Fd): IommufdCall {
    const file = this.files.get(iommufd);
    return file instanceof IommufdContext ? { context: file, account: this } : unknownCall(file);
  }

  #cdev(device: Fd): CdevFile {
    const file = this.files.get(device);
    return file instanceof CdevFile ? file : unknownCall(file);
  }
}
