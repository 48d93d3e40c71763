import type { LockedMemory } from './locked-memory.js';
import type { Sysfs } from './sysfs.js';

/**
 * The one seam of the engine: the kernel's own VFIO operations. The container backend is written against it once; the
 * real kernel (`linux.ts`) and the software core (`software/`) implement it and answer with the same errno.
 *
 * Every method throws (or rejects with) a `VfioError` whose `code` is an errno name and whose `syscall` names the call.
 * Methods that answer at once are the kernel's cheap queries; those that return a promise may sleep in the kernel and
 * run off the event loop. `argsz` is the structure's size unless a caller (the conformance test) gives another.
 *
 * Thread: the main thread, or whichever thread made the kernel object; a kernel object is not shared between threads.
 */
export interface VfioKernel {
  /** `linux`, or `software` for the core in this process. */
  readonly kind: 'linux' | 'software';
  /** The /sys that belongs to this kernel's devices. */
  readonly sysfs: Sysfs;
  /** Gives a device's whole name for a short one (`edu`); undefined, or the name itself, where it is none. */
  resolveName?(name: string): string | undefined;
  /** Gives what DMA mappings have locked, and the limit, of a kernel whose processes /proc does not show. */
  lockedMemory?(): LockedMemory;

  /** Closes any descriptor of this kernel's. @throws EBADF */
  close(fd: Fd): Promise<void>;

  /** open(/dev/vfio/vfio). @throws ENOENT where the kernel has no VFIO, EACCES */
  openContainer(): Promise<Fd>;
  /** ioctl(VFIO_GET_API_VERSION) */
  getApiVersion(container: Fd): number;
  /** ioctl(VFIO_CHECK_EXTENSION): 0 when it lacks it, else positive. */
  checkExtension(container: Fd, extension: number): number;
  /** ioctl(VFIO_SET_IOMMU). @throws EINVAL without a group or with an IOMMU set, ENODEV for a type it cannot give */
  setIommu(container: Fd, type: number): Promise<void>;
  /** ioctl(VFIO_IOMMU_GET_INFO) with room for the capability chain. */
  getIommuInfo(container: Fd, argsz?: number): IommuInfo;
  /** ioctl(VFIO_IOMMU_MAP_DMA) */
  mapDma(container: Fd, map: DmaMap): Promise<void>;
  /**
   * ioctl(VFIO_IOMMU_MAP_DMA) for equal pieces of memory, in their order; neighbours in memory may be one mapping.
   * @returns how many are mapped: all, or those before the first that was refused. Absent where it saves nothing.
   */
  mapDmaPieces?(container: Fd, flags: number, pieces: DmaPieces): Promise<number>;
  /** ioctl(VFIO_IOMMU_UNMAP_DMA). @returns the count of bytes unmapped, and the dirty bitmap where one was asked for */
  unmapDma(container: Fd, unmap: DmaUnmap): Promise<DmaUnmapResult>;
  /** ioctl(VFIO_IOMMU_DIRTY_PAGES) START, STOP. */
  setDirtyTracking(container: Fd, enabled: boolean): Promise<void>;
  /** ioctl(VFIO_IOMMU_DIRTY_PAGES) GET_BITMAP. @returns a bit a page of `pageSize`, first page in bit 0 of byte 0 */
  getDirtyBitmap(container: Fd, range: { iova: bigint; size: bigint; pageSize: bigint }): Promise<Uint8Array>;

  /** open(/dev/vfio/NAME), where the name is `26` or `noiommu-0`. @throws ENOENT, EBUSY, ENODEV, EPERM */
  openGroup(name: string): Promise<Fd>;
  /** ioctl(VFIO_GROUP_GET_STATUS) */
  getGroupStatus(group: Fd, argsz?: number): GroupStatus;
  /** ioctl(VFIO_GROUP_SET_CONTAINER) */
  setContainer(group: Fd, container: Fd): Promise<void>;
  /** ioctl(VFIO_GROUP_UNSET_CONTAINER) */
  unsetContainer(group: Fd): Promise<void>;
  /** ioctl(VFIO_GROUP_GET_DEVICE_FD). @throws ENODEV, EINVAL */
  getDeviceFd(group: Fd, name: string): Promise<Fd>;

  /** ioctl(VFIO_DEVICE_GET_INFO) */
  getDeviceInfo(device: Fd, argsz?: number): DeviceInfo;
  /** ioctl(VFIO_DEVICE_GET_REGION_INFO), called again with the room that the first answer asks for. */
  getRegionInfo(device: Fd, regionIndex: number, argsz?: number): RegionInfo;
  /** ioctl(VFIO_DEVICE_GET_IRQ_INFO) */
  getIrqInfo(device: Fd, irqIndex: number, argsz?: number): IrqInfo;
  /** All of these at once, where that is cheaper than one by one. @param info what `getDeviceInfo` gave */
  getDeviceInfos?(device: Fd, info: DeviceInfo): DeviceInfos;
  /** ioctl(VFIO_DEVICE_SET_IRQS) */
  setIrqs(device: Fd, set: IrqSet): Promise<void>;
  /** ioctl(VFIO_DEVICE_RESET) */
  resetDevice(device: Fd): Promise<void>;
  /** pread(2). @returns the bytes read, fewer than asked for where the region ends */
  pread(device: Fd, fileOffset: bigint, length: number): Promise<Uint8Array>;
  /** pwrite(2). @returns the count of bytes written */
  pwrite(device: Fd, fileOffset: bigint, data: Uint8Array): Promise<number>;
  /** mmap(2), MAP_SHARED. @returns a mapping handle of lib/native.ts, which the caller closes. @throws EINVAL */
  mmap(device: Fd, fileOffset: bigint, length: number, prot: { read: boolean; write: boolean }): Promise<MappingHandle>;
  /** Says how the region path reaches this device: the worker's native code does the transfers itself. */
  ioTarget(device: Fd): IoTarget;
}

/** A file descriptor, of the process (linux) or standing for a file of the software core. */
export type Fd = number;
/** A mapping in the addon's table (native/memory/mapping.h), valid on every thread of the process. */
export type MappingHandle = number;
/** A vfio-user connection in the addon's table (native/vfio_user/connection.h). */
export type ConnectionHandle = number;

/** pread and pwrite on a descriptor, or REGION_READ and REGION_WRITE messages on a connection. */
export type IoTarget =
  { readonly kind: 'fd'; readonly fd: Fd } | { readonly kind: 'vfio-user'; readonly connection: ConnectionHandle };

/** struct vfio_group_status */
export interface GroupStatus {
  readonly flags: number;
}

/** struct vfio_device_info */
export interface DeviceInfo {
  readonly flags: number;
  readonly numRegions: number;
  readonly numIrqs: number;
}

/** struct vfio_region_info with its capability chain read. */
export interface RegionInfo {
  readonly index: number;
  readonly flags: number;
  /** Bytes. */
  readonly size: bigint;
  /** Where the region starts in the device's file. */
  readonly offset: bigint;
  readonly capabilities: RegionCapabilities;
}

/** What the capability chain of a region says; absent ones are undefined. */
export interface RegionCapabilities {
  /** VFIO_REGION_INFO_CAP_SPARSE_MMAP: the areas that may be mapped, offsets within the region. */
  readonly sparseMmap?: readonly { readonly offset: bigint; readonly size: bigint }[];
  /** VFIO_REGION_INFO_CAP_TYPE */
  readonly type?: { readonly type: number; readonly subtype: number };
  /** VFIO_REGION_INFO_CAP_MSIX_MAPPABLE: the MSI-X table may be mapped with the rest. */
  readonly msixMappable?: boolean;
}

/** struct vfio_irq_info */
export interface IrqInfo {
  readonly index: number;
  readonly flags: number;
  readonly count: number;
}

/** What a device has, by index; undefined for an index that it lacks. */
export interface DeviceInfos {
  readonly regions: readonly (RegionInfo | undefined)[];
  readonly irqs: readonly (IrqInfo | undefined)[];
}

/** struct vfio_irq_set. `flags` holds one data type and one action. */
export interface IrqSet {
  readonly argsz?: number;
  readonly flags: number;
  readonly index: number;
  readonly start: number;
  readonly count: number;
  /** With DATA_EVENTFD: `count` descriptors, -1 for none. */
  readonly eventfds?: readonly Fd[];
  /** With DATA_BOOL: `count` bytes. */
  readonly bools?: Uint8Array;
}

/** struct vfio_iommu_type1_info with its capability chain read. */
export interface IommuInfo {
  readonly flags: number;
  /** A bit for each page size, as bytes. */
  readonly pageSizes: bigint;
  /** VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE, inclusive. */
  readonly iovaRanges?: readonly { readonly start: bigint; readonly last: bigint }[];
  /** VFIO_IOMMU_TYPE1_INFO_CAP_MIGRATION */
  readonly migration?: { readonly flags: number; readonly pageSizes: bigint; readonly maxDirtyBitmapSize: bigint };
  /** VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL: how many more mappings fit. */
  readonly dmaAvailable?: number;
  /** What the kernel wrote back into argsz: the room that the whole answer wants. */
  readonly argsz: number;
}

/** struct vfio_iommu_type1_dma_map */
export interface DmaMap {
  readonly argsz?: number;
  readonly flags: number;
  readonly vaddr: bigint;
  readonly iova: bigint;
  readonly size: bigint;
}

/** Equal pieces of memory, one after the other in the IOVAs. */
export interface DmaPieces {
  /** Of the memory. */
  readonly vaddr: bigint;
  /** Where the pieces begin in it, bytes. */
  readonly offsets: Float64Array;
  /** Of the first piece. */
  readonly iova: bigint;
  /** Of each piece, bytes. */
  readonly pieceSize: bigint;
}

/** struct vfio_iommu_type1_dma_unmap. `bitmap` goes with VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP. */
export interface DmaUnmap {
  readonly argsz?: number;
  readonly flags: number;
  readonly iova: bigint;
  readonly size: bigint;
  readonly bitmap?: { readonly pageSize: bigint; readonly size: bigint };
}

export interface DmaUnmapResult {
  readonly size: bigint;
  readonly bitmap?: Uint8Array;
}
