import type { HotResetInfo } from '../kernel/device-extras.js';
import type { Fd } from '../kernel/kernel.js';

/** How many bytes were unmapped, with the dirty bitmap if the call asked for it. */
export type Unmapped = bigint | readonly [size: bigint, bitmap: Uint8Array];

/**
 * One function for each system call of the container, group, device and iommufd interfaces. Source: native/linux.
 *
 * All throw, or reject with, a VfioError of the kernel's errno. The caller closes the descriptors that it gets. A function with a
 * promise may sleep in the kernel and runs on the thread pool. Buffers are copied at the call.
 * With `sleeps` true the call runs on the thread pool; otherwise on the calling thread, where it must have nothing to wait for.
 * Without `argsz` it is the size of the structure. A given `argsz`, at most 1 MiB, goes to the kernel as it is.
 */
export interface LinuxAddon {
  /** open(/dev/vfio/vfio) */
  containerOpen(): Fd;
  containerGetApiVersion(container: Fd): number;
  containerCheckExtension(container: Fd, extension: number): number;
  containerSetIommu(container: Fd, type: number): void;

  /** ioctl(VFIO_IOMMU_GET_INFO). @returns struct vfio_iommu_type1_info as the kernel left it, `argsz` bytes or more */
  type1GetInfo(container: Fd, argsz?: number): Uint8Array;
  /** ioctl(VFIO_IOMMU_MAP_DMA) */
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
   * Maps pieces of equal size one after the other; pieces that are adjacent in memory become one mapping.
   * @param offsets the offsets of the pieces from `vaddr`, bytes
   * @returns how many pieces were mapped: all, or those before the first that failed
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
   * ioctl(VFIO_IOMMU_UNMAP_DMA)
   * @param bitmapSize bytes, a multiple of 8
   * @returns the size; with VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP the size and the bitmap
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
  /** Reads a whole file of at most 1 MiB. @throws EFBIG */
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
  /** Queries all regions and interrupts. `parseDeviceInfos` decodes the result. */
  deviceGetInfos(
    device: Fd,
    numRegions: number,
    numIrqs: number,
  ): [regions: BigUint64Array, whole: Record<number, Uint8Array>, irqs: BigUint64Array];
  /** ioctl(VFIO_DEVICE_SET_IRQS). @param data what follows the structure: nothing, a byte or an int32 for each interrupt */
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
  /** ioctl(VFIO_DEVICE_IOEVENTFD). @param width 1, 2, 4 or 8 bytes @param eventfd -1 removes the pair */
  deviceIoeventfd(device: Fd, fileOffset: bigint, width: number, data: bigint, eventfd: Fd): Promise<void>;

  /** ioctl(VFIO_DEVICE_FEATURE, PROBE). @param ways VFIO_DEVICE_FEATURE_GET, _SET, both or 0 @throws ENOTTY, EINVAL */
  deviceFeatureProbe(device: Fd, feature: number, ways: number): void;
  /** @param payload the structure of the feature, with its arguments @returns the structure as the kernel filled it in */
  deviceFeatureGet(device: Fd, feature: number, payload: Uint8Array): Promise<Uint8Array>;
  deviceFeatureSet(device: Fd, feature: number, payload: Uint8Array): Promise<Uint8Array>;

  deviceGetPciHotResetInfo(device: Fd): HotResetInfo;
  /** @param groups the descriptors of the groups of all affected devices; empty for a device bound to an iommufd */
  devicePciHotReset(device: Fd, groups: Int32Array): Promise<void>;

  /** open(/dev/vfio/devices/NAME). @param name such as `vfio0` */
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
  /** @param ranges start and last of each range in turn */
  ioasAllowIovas(iommufd: Fd, ioasId: number, ranges: BigUint64Array): void;
  /** ioctl(IOMMU_IOAS_MAP). @returns the IOVA */
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
  /** ioctl(IOMMU_OPTION). @returns the value of the option */
  iommuOption(iommufd: Fd, set: boolean, optionId: number, objectId: number, value: bigint): bigint;
  hwptAlloc(iommufd: Fd, flags: number, deviceId: number, ioasId: number): Promise<number>;
  hwptSetDirtyTracking(iommufd: Fd, hwptId: number, enabled: boolean): Promise<void>;
  /** @param bitmapSize bytes, at least a bit for each page of the range */
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
