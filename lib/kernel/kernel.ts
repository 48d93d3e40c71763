import type { VfioError } from '../base/errors.js';
import type { DirtyRange, IovaRange } from '../base/iova-range.js';
import type { LockedMemory } from './locked-memory.js';
import type { Sysfs } from './sysfs.js';

/**
 * The kernel's VFIO operations: the one interface between the engine and a kernel. The real kernel (lib/kernel/linux) and the
 * software core (lib/software) implement it, and fail with the same errno. The backends call nothing else.
 *
 * Every method throws (or rejects with) a `VfioError` whose `code` is an errno name and whose `syscall` names the call.
 * A method without a promise is a cheap query. A method with a promise may sleep in the kernel: it then runs on a call
 * thread. `argsz` is the size of the structure unless the caller gives another; the conformance test does.
 *
 * Thread: the one that made the kernel object. Threads do not share kernel objects.
 */
export interface VfioKernel {
  /** `linux` for the real kernel, `software` for the software core in this process. */
  readonly kind: 'linux' | 'software';
  /** The /sys of this kernel. */
  readonly sysfs: Sysfs;
  /** Returns the full name of a device for its short name (`edu`). Returns any other name as it is, or undefined. */
  resolveName?(name: string): string | undefined;
  /** Returns the memory locked by DMA mappings and its limit. Absent if /proc shows both. */
  lockedMemory?(): LockedMemory;

  /** Closes a descriptor that this kernel opened. @throws EBADF */
  close(fd: Fd): Promise<void>;

  /** open(/dev/vfio/vfio). @throws ENOENT if the kernel has no VFIO; EACCES */
  openContainer(): Promise<Fd>;
  /** ioctl(VFIO_GET_API_VERSION) */
  getApiVersion(container: Fd): number;
  /** ioctl(VFIO_CHECK_EXTENSION). @returns 0 if the container lacks the extension, a positive number if it has it */
  checkExtension(container: Fd, extension: number): number;
  /** ioctl(VFIO_SET_IOMMU). @throws EINVAL if the container has no group or already an IOMMU; ENODEV for an unknown type */
  setIommu(container: Fd, type: number): Promise<void>;
  /** ioctl(VFIO_IOMMU_GET_INFO), with room for the capability chain. */
  getIommuInfo(container: Fd, argsz?: number): IommuInfo;
  /** ioctl(VFIO_IOMMU_MAP_DMA) */
  mapDma(container: Fd, map: DmaMap): Promise<void>;
  /**
   * ioctl(VFIO_IOMMU_MAP_DMA) for pieces of memory of equal size, in order. Adjacent pieces may become one mapping.
   * Absent if many calls of `mapDma` cost no more.
   * @returns how many pieces were mapped: all, or those before the first that failed
   */
  mapDmaPieces?(container: Fd, flags: number, pieces: DmaPieces): Promise<number>;
  /** ioctl(VFIO_IOMMU_UNMAP_DMA). @returns how many bytes were unmapped, and the dirty bitmap if `unmap` asks for it */
  unmapDma(container: Fd, unmap: DmaUnmap): Promise<DmaUnmapResult>;
  /** ioctl(VFIO_IOMMU_DIRTY_PAGES) START, STOP. */
  setDirtyTracking(container: Fd, enabled: boolean): Promise<void>;
  /** ioctl(VFIO_IOMMU_DIRTY_PAGES) GET_BITMAP. @returns a bit for each page, the first page in bit 0 of byte 0 */
  getDirtyBitmap(container: Fd, range: DirtyRange): Promise<Uint8Array>;

  /** open(/dev/vfio/NAME). @param name such as `26` or `noiommu-0` @throws ENOENT, EBUSY, ENODEV, EPERM */
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
  /** ioctl(VFIO_DEVICE_GET_REGION_INFO). Calls it again with more room if the capability chain needs it. */
  getRegionInfo(device: Fd, regionIndex: number, argsz?: number): RegionInfo;
  /** ioctl(VFIO_DEVICE_GET_IRQ_INFO) */
  getIrqInfo(device: Fd, irqIndex: number, argsz?: number): IrqInfo;
  /**
   * Queries all regions and interrupts in one call. Absent if single queries cost no more.
   * @param info the result of `getDeviceInfo`
   */
  getDeviceInfos?(device: Fd, info: DeviceInfo): DeviceInfos;
  /** ioctl(VFIO_DEVICE_SET_IRQS) */
  setIrqs(device: Fd, set: IrqSet): Promise<void>;
  /** ioctl(VFIO_DEVICE_RESET) */
  resetDevice(device: Fd): Promise<void>;
  /** pread(2). @returns the bytes read; fewer than `length` at the end of the region */
  pread(device: Fd, fileOffset: bigint, length: number): Promise<Uint8Array>;
  /** pwrite(2). @returns how many bytes were written */
  pwrite(device: Fd, fileOffset: bigint, data: Uint8Array): Promise<number>;
  /** mmap(2), MAP_SHARED. @returns a mapping handle of the addon, which the caller closes @throws EINVAL */
  mmap(device: Fd, fileOffset: bigint, length: number, prot: { read: boolean; write: boolean }): Promise<MappingHandle>;
  /**
   * Maps the same part of the file again, at the same address, if the mapping was revoked. If that fails, it stays revoked.
   * @param fileOffset that `mmap` got
   * @throws EBADF if the mapping is closed; ENXIO if the file is too short
   */
  restoreMapping(device: Fd, mapping: MappingHandle, fileOffset: bigint): Promise<void>;
  /**
   * Calls back once, with the reason, when the device behind an open file is gone for good: its model has ended. Absent in the
   * real kernel, which asks for such a device by the REQ interrupt.
   * @returns a function that ends the watch
   */
  watchRemoval?(device: Fd, onGone: (reason: VfioError) => void): () => void;
  /** Returns what native code needs to access the device from any thread, without this kernel object. */
  ioTarget(device: Fd): IoTarget;
}

/** A file descriptor of the process. In the software core its number stands for a simulated file. */
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
  /** VFIO_GROUP_FLAGS_* */
  readonly flags: number;
}

/** struct vfio_device_info */
export interface DeviceInfo {
  /** VFIO_DEVICE_FLAGS_* */
  readonly flags: number;
  /** The number of region indexes, from 0 on. */
  readonly numRegions: number;
  /** The number of IRQ indexes, from 0 on. */
  readonly numIrqs: number;
}

/** struct vfio_region_info with its capability chain. */
export interface RegionInfo {
  /** VFIO_PCI_*_REGION_INDEX */
  readonly index: number;
  /** VFIO_REGION_INFO_FLAG_* */
  readonly flags: number;
  /** Bytes. */
  readonly size: bigint;
  /** The offset of the region in the device's file, bytes. */
  readonly offset: bigint;
  /** The capability chain; empty without VFIO_REGION_INFO_FLAG_CAPS. */
  readonly capabilities: RegionCapabilities;
}

/** The capability chain of a region. A capability that is not in the chain is undefined. */
export interface RegionCapabilities {
  /** VFIO_REGION_INFO_CAP_SPARSE_MMAP: the areas that can be mapped; bytes, offsets within the region. */
  readonly sparseMmap?: readonly { readonly offset: bigint; readonly size: bigint }[];
  /** VFIO_REGION_INFO_CAP_TYPE */
  readonly type?: { readonly type: number; readonly subtype: number };
  /** VFIO_REGION_INFO_CAP_MSIX_MAPPABLE: the MSI-X table can be mapped too. */
  readonly msixMappable?: boolean;
}

/** struct vfio_irq_info */
export interface IrqInfo {
  /** VFIO_PCI_*_IRQ_INDEX */
  readonly index: number;
  /** VFIO_IRQ_INFO_* */
  readonly flags: number;
  /** The number of vectors. */
  readonly count: number;
}

/** The regions and interrupts of a device by index; undefined for an index that the device lacks. */
export interface DeviceInfos {
  /** The regions by index. */
  readonly regions: readonly (RegionInfo | undefined)[];
  /** The interrupts by index. */
  readonly irqs: readonly (IrqInfo | undefined)[];
}

/** struct vfio_irq_set. `flags` holds one data type and one action. */
export interface IrqSet {
  /** The size of the structure that the kernel is told, in bytes. Default: the whole structure. */
  readonly argsz?: number;
  /** VFIO_IRQ_SET_* */
  readonly flags: number;
  /** VFIO_PCI_*_IRQ_INDEX */
  readonly index: number;
  /** The first vector. */
  readonly start: number;
  /** The number of vectors. */
  readonly count: number;
  /** With DATA_EVENTFD: `count` descriptors, -1 for none. */
  readonly eventfds?: readonly Fd[];
  /** With DATA_BOOL: `count` bytes. */
  readonly bools?: Uint8Array;
}

/** struct vfio_iommu_type1_info with its capability chain. */
export interface IommuInfo {
  /** VFIO_IOMMU_INFO_* */
  readonly flags: number;
  /** The sum of the page sizes, bytes: each is a power of two. */
  readonly pageSizes: bigint;
  /** VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE: the ranges that can be mapped. */
  readonly iovaRanges?: readonly IovaRange[];
  /** VFIO_IOMMU_TYPE1_INFO_CAP_MIGRATION */
  readonly migration?: { readonly flags: number; readonly pageSizes: bigint; readonly maxDirtyBitmapSize: bigint };
  /** VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL: how many more mappings the container takes. */
  readonly dmaAvailable?: number;
  /** The size of the whole answer, bytes, as the kernel wrote it back into argsz. */
  readonly argsz: number;
}

/** struct vfio_iommu_type1_dma_map */
export interface DmaMap {
  /** The size of the structure that the kernel is told, in bytes. Default: the whole structure. */
  readonly argsz?: number;
  /** VFIO_DMA_MAP_FLAG_* */
  readonly flags: number;
  /** The address of the memory in this process. */
  readonly vaddr: bigint;
  /** The first IOVA. */
  readonly iova: bigint;
  /** Bytes. */
  readonly size: bigint;
}

/** Pieces of memory of equal size, which become adjacent ranges of IOVAs. */
export interface DmaPieces {
  /** The address of the memory that `offsets` count from. */
  readonly vaddr: bigint;
  /** The offsets of the pieces in the memory, bytes. */
  readonly offsets: Float64Array;
  /** The IOVA of the first piece. */
  readonly iova: bigint;
  /** The size of each piece, bytes. */
  readonly pieceSize: bigint;
}

/** struct vfio_iommu_type1_dma_unmap. `bitmap` goes with VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP. */
export interface DmaUnmap {
  /** The size of the structure that the kernel is told, in bytes. Default: the whole structure. */
  readonly argsz?: number;
  /** VFIO_DMA_UNMAP_FLAG_* */
  readonly flags: number;
  /** The first IOVA. */
  readonly iova: bigint;
  /** Bytes. */
  readonly size: bigint;
  /** The bitmap's page size and its own size, in bytes. */
  readonly bitmap?: { readonly pageSize: bigint; readonly size: bigint };
}

/** The result of VFIO_IOMMU_UNMAP_DMA. */
export interface DmaUnmapResult {
  /** How many bytes were unmapped. */
  readonly size: bigint;
  /** The dirty pages, one bit each; absent if `unmap` had no bitmap. */
  readonly bitmap?: Uint8Array;
}
