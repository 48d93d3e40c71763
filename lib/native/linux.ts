import type { HotResetInfo } from '../kernel/device-extras.js';
import type { Fd } from '../kernel/kernel.js';

/** How many bytes were unmapped, and a bitmap of the pages written where one was asked for. */
export type Unmapped = bigint | readonly [size: bigint, bitmap: Uint8Array];

/**
 * Source: native/linux. One function a system call of the container, group, device and iommufd interfaces.
 *
 * All throw, or reject with, a VfioError of the kernel's errno. Descriptors that are resolved to are the caller's to
 * close. Those that return a promise may sleep in the kernel and run on the thread pool. A buffer is copied at the call.
 * `sleeps` says which thread: where nothing is mapped there is nothing to wait for, and a thread of the pool costs more.
 * `argsz` undefined is the structure's own size; given, it goes to the kernel as it is (at most 1 MiB).
 */
export interface LinuxAddon {
  /** open(/dev/vfio/vfio) */
  containerOpen(): Fd;
  containerGetApiVersion(container: Fd): number;
  containerCheckExtension(container: Fd, extension: number): number;
  containerSetIommu(container: Fd, type: number): void;

  /** ioctl(VFIO_IOMMU_GET_INFO). @returns struct vfio_iommu_type1_info as the kernel left it, in `argsz` bytes or more */
  type1GetInfo(container: Fd, argsz?: number): Uint8Array;
  /** @param sleeps runs it on the pool; else it answers, or throws, at once */
  type1MapDma(
    container: Fd,
    flags: number,
    vaddr: bigint,
    iova: bigint,
    size: bigint,
    sleeps: boolean,
    argsz?: number,
  ): Promise<undefined> | undefined;
  /**
   * Maps equal pieces one after the other, those that are neighbours in memory as one.
   * @param offsets of the pieces from `vaddr` on. @param sleeps as for `type1MapDma`
   * @returns how many pieces are mapped: all, or those before the first that was refused
   */
  type1MapPieces(
    container: Fd,
    flags: number,
    vaddr: bigint,
    offsets: Float64Array,
    iova: bigint,
    size: bigint,
    sleeps: boolean,
  ): Promise<number> | number;
  /**
   * @param sleeps as for `type1MapDma`. @param bitmapSize bytes, a multiple of 8
   * @returns the size; the bitmap with it, where VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP asks for one
   */
  type1UnmapDma(
    container: Fd,
    flags: number,
    iova: bigint,
    size: bigint,
    sleeps: boolean,
    argsz?: number,
    bitmapPageSize?: bigint,
    bitmapSize?: bigint,
  ): Promise<Unmapped> | Unmapped;
  /** ioctl(VFIO_IOMMU_DIRTY_PAGES) START, STOP */
  type1SetDirtyTracking(container: Fd, enabled: boolean): Promise<void>;
  /** ioctl(VFIO_IOMMU_DIRTY_PAGES) GET_BITMAP. @param bitmapSize bytes, a multiple of 8 */
  type1GetDirtyBitmap(
    container: Fd,
    iova: bigint,
    size: bigint,
    pageSize: bigint,
    bitmapSize: bigint,
  ): Promise<Uint8Array>;

  /** access(2) */
  sysfsExists(path: string): boolean;
  sysfsReaddir(path: string): string[];
  sysfsReadlink(path: string): string;
  /** All of a file, at most 1 MiB. @throws EFBIG */
  sysfsRead(path: string): Uint8Array;

  /** open(/dev/vfio/NAME) */
  groupOpen(name: string): Promise<Fd>;
  /** ioctl(VFIO_GROUP_GET_STATUS). @returns the flags */
  groupGetStatus(group: Fd, argsz?: number): number;
  groupSetContainer(group: Fd, container: Fd, sleeps: boolean): Promise<void> | undefined;
  groupUnsetContainer(group: Fd, sleeps: boolean): Promise<void> | undefined;
  groupGetDeviceFd(group: Fd, name: string): Promise<Fd>;

  deviceGetInfo(device: Fd, argsz?: number): { flags: number; numRegions: number; numIrqs: number };
  /** ioctl(VFIO_DEVICE_GET_REGION_INFO). @returns struct vfio_region_info as the kernel left it */
  deviceGetRegionInfo(device: Fd, regionIndex: number, argsz?: number): Uint8Array;
  deviceGetIrqInfo(device: Fd, irqIndex: number, argsz?: number): { index: number; flags: number; count: number };
  /** All regions and interrupts: what `parseDeviceInfos` takes. */
  deviceGetInfos(
    device: Fd,
    numRegions: number,
    numIrqs: number,
  ): [regions: BigUint64Array, whole: Record<number, Uint8Array>, irqs: BigUint64Array];
  /** @param data what follows the structure: nothing, a byte an interrupt, or an int32 descriptor an interrupt */
  deviceSetIrqs(
    device: Fd,
    argsz: number | undefined,
    flags: number,
    irqIndex: number,
    start: number,
    count: number,
    data: Uint8Array,
    sleeps: boolean,
  ): Promise<void> | undefined;
  deviceReset(device: Fd): Promise<void>;
  devicePread(device: Fd, fileOffset: bigint, length: number): Promise<Uint8Array>;
  devicePwrite(device: Fd, fileOffset: bigint, data: Uint8Array): Promise<number>;
  /** ioctl(VFIO_DEVICE_IOEVENTFD). @param width 1, 2, 4 or 8 bytes @param eventfd -1 takes the pairing away */
  deviceIoeventfd(device: Fd, fileOffset: bigint, width: number, data: bigint, eventfd: Fd): Promise<void>;

  /** ioctl(VFIO_DEVICE_FEATURE, PROBE). @param ways VFIO_DEVICE_FEATURE_GET, _SET, both or 0 @throws ENOTTY, EINVAL */
  deviceFeatureProbe(device: Fd, feature: number, ways: number): void;
  /** @param payload as long as the feature's structure, with its arguments where it has any @returns it, filled in */
  deviceFeatureGet(device: Fd, feature: number, payload: Uint8Array): Promise<Uint8Array>;
  deviceFeatureSet(device: Fd, feature: number, payload: Uint8Array): Promise<Uint8Array>;

  deviceGetPciHotResetInfo(device: Fd): HotResetInfo;
  /** @param groups descriptors of the groups that own all affected devices; none for a device bound to an iommufd */
  devicePciHotReset(device: Fd, groups: Int32Array): Promise<void>;

  /** open(/dev/vfio/devices/NAME), where the name is `vfio0` */
  cdevOpen(name: string): Promise<Fd>;
  /** ioctl(VFIO_DEVICE_BIND_IOMMUFD). @returns the device's id within the iommufd */
  cdevBindIommufd(device: Fd, iommufd: Fd): Promise<number>;
  /** ioctl(VFIO_DEVICE_ATTACH_IOMMUFD_PT). @returns the page table's id */
  cdevAttachIommufdPt(device: Fd, ptId: number, sleeps: boolean): number | Promise<number>;
  cdevDetachIommufdPt(device: Fd, sleeps: boolean): Promise<void> | undefined;

  /** open(/dev/iommu) */
  iommufdOpen(): Fd;
  iommuDestroy(iommufd: Fd, id: number, sleeps: boolean): Promise<void> | undefined;
  ioasAlloc(iommufd: Fd): number;
  ioasIovaRanges(iommufd: Fd, ioasId: number): { iovaAlignment: bigint; ranges: { start: bigint; last: bigint }[] };
  /** @param ranges start and last (inclusive) in turn */
  ioasAllowIovas(iommufd: Fd, ioasId: number, ranges: BigUint64Array): void;
  /** @param sleeps as for `type1MapDma`, in the two that follow as well. @returns the iova */
  ioasMap(
    iommufd: Fd,
    ioasId: number,
    flags: number,
    vaddr: bigint,
    iova: bigint,
    length: bigint,
    sleeps: boolean,
  ): Promise<bigint> | bigint;
  /** As `type1MapPieces`. */
  ioasMapPieces(
    iommufd: Fd,
    ioasId: number,
    flags: number,
    vaddr: bigint,
    offsets: Float64Array,
    iova: bigint,
    size: bigint,
    sleeps: boolean,
  ): Promise<number> | number;
  ioasMapFile(
    iommufd: Fd,
    ioasId: number,
    flags: number,
    file: Fd,
    start: bigint,
    iova: bigint,
    length: bigint,
    sleeps: boolean,
  ): Promise<bigint> | bigint;
  ioasUnmap(iommufd: Fd, ioasId: number, iova: bigint, length: bigint, sleeps: boolean): Promise<bigint> | bigint;
  ioasCopy(
    iommufd: Fd,
    flags: number,
    toIoasId: number,
    fromIoasId: number,
    toIova: bigint,
    fromIova: bigint,
    length: bigint,
  ): Promise<bigint>;
  /** ioctl(IOMMU_OPTION). @returns the value that holds */
  iommuOption(iommufd: Fd, set: boolean, optionId: number, objectId: number, value: bigint): bigint;
  hwptAlloc(iommufd: Fd, flags: number, deviceId: number, ioasId: number): Promise<number>;
  hwptSetDirtyTracking(iommufd: Fd, hwptId: number, enabled: boolean): Promise<void>;
  /** @param bitmapSize bytes, a bit for each page of the range or more */
  hwptGetDirtyBitmap(
    iommufd: Fd,
    hwptId: number,
    flags: number,
    iova: bigint,
    length: bigint,
    pageSize: bigint,
    bitmapSize: bigint,
  ): Promise<Uint8Array>;
  iommuGetHwInfo(iommufd: Fd, deviceId: number): { type: number; capabilities: bigint; data: Uint8Array };
}
