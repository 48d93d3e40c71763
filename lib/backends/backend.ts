import type { DirtyRange, IovaRange, ReservedRange } from '../base/iova-range.js';
import type { DeviceInfo, DmaPieces, Fd, VfioKernel } from '../kernel/kernel.js';
import type { LockedMemory } from '../kernel/locked-memory.js';

/** A way to attach a device: by its IOMMU group and a container, or by its own node and an iommufd. */
export type BackendName = 'container' | 'iommufd';

/** What hides behind `Engine.attach`: one way of getting a device and an address space for its DMA. */
export interface Backend {
  readonly name: BackendName;
  /**
   * Attaches a device to an address space. Whatever fails, nothing stays open and the space is as it was.
   * @throws VfioError
   */
  attach(request: AttachRequest): Promise<AttachedDevice>;
}

/** What to attach, and where its DMA goes. */
export interface AttachRequest {
  /** What the kernel calls the device: a bdf or a UUID. */
  readonly name: string;
  /** Its folder under /sys. */
  readonly sysfsPath: string;
  readonly space: DmaSpaceHost;
  /** Whether the device is reset when it can be; a failure is a warning. */
  readonly reset: boolean;
  /**
   * Called when a thread of the pool has begun to open the device, which takes its time: for what needs no device. It may
   * be called again by a further way of attaching, and throws nothing.
   */
  readonly meanwhile?: () => void;
}

/** A device attached by a backend. */
export interface AttachedDevice {
  readonly backend: BackendName;
  readonly kernel: VfioKernel;
  readonly deviceFd: Fd;
  readonly info: DeviceInfo;
  /** The IOMMU group's number; undefined where the backend has no groups. */
  readonly groupId: string | undefined;
  /** The open group of a number; undefined for one that this way of attaching does not hold. Absent without groups. */
  readonly groupFd?: (groupId: string) => Fd | undefined;
  /** Whether the device has an address space for DMA; without an IOMMU it has none. */
  readonly hasDma: boolean;
  /**
   * Gives all back in the reverse order, whatever fails.
   * @param meanwhile called when a thread of the pool has begun to close the device; it throws nothing
   * @throws the first error, the further ones as its cause
   */
  detach(meanwhile?: () => void): Promise<void>;
}

/** The user's side of an address space, which a backend joins its IOMMU objects to. */
export interface DmaSpaceHost {
  /** Joins an IOMMU object: what is mapped in the space is mapped in it too when this resolves. @throws what mapping throws */
  addTarget(target: DmaTarget): Promise<void>;
  /** Drops an IOMMU object, whose mappings end with it. */
  removeTarget(target: DmaTarget): Promise<void>;
  /** Takes note that an IOMMU object's limits changed: a group or device has joined it, or left. */
  refreshTarget(target: DmaTarget): Promise<void>;
}

/** What an IOMMU object can map. */
export interface DmaLimits {
  /** Ascending, without the reserved ranges; undefined where the kernel does not tell. */
  readonly ranges: readonly IovaRange[] | undefined;
  /** What the groups' /sys says cannot be mapped. */
  readonly reserved: readonly IovaRange[];
  /** A bit for each page size, as bytes. */
  readonly pageSizes: bigint;
  /** How many more mappings fit; undefined where the kernel does not tell. */
  readonly entriesLeft: number | undefined;
  /** How many mappings fit into it when it is empty; undefined where the kernel does not tell. */
  readonly entryLimit: number | undefined;
  /** The page sizes that writes can be tracked in; 0 where they cannot. */
  readonly dirtyPageSizes: bigint;
}

/** One IOMMU object of the kernel's: a container, or an address space of an iommufd. */
export interface DmaTarget {
  /** Asks the kernel. */
  queryLimits(): Promise<DmaLimits>;
  /** What its devices' groups keep from being mapped, to explain a refusal. */
  queryReserved(): Promise<readonly ReservedRange[]>;
  /** What its mappings have locked of this process's memory and what they may, to explain ENOMEM. */
  queryLocked(): Promise<LockedMemory>;
  /** @throws EEXIST, EINVAL, ENOSPC, ENOMEM, EFAULT */
  map(request: MapRequest): Promise<void>;
  /** Maps equal pieces in their order, until one is refused. @returns how many are mapped. Absent where it saves nothing */
  mapPieces?(pieces: PiecesRequest): Promise<number>;
  /** Unmaps all mappings that lie within the range. @returns bytes unmapped */
  unmap(range: { iova: bigint; size: bigint }): Promise<bigint>;
  /** The same, and tells which pages were written until the very end. */
  unmapDirty(range: DirtyRange): Promise<Uint8Array>;
  setDirtyTracking(enabled: boolean): Promise<void>;
  /** @returns a bit a page, first page in bit 0 of byte 0; the record is then empty */
  takeDirty(range: DirtyRange): Promise<Uint8Array>;
}

/** Equal pieces of memory to be mapped. */
export interface PiecesRequest extends DmaPieces {
  /** What the device may do. */
  readonly read: boolean;
  readonly write: boolean;
}

/** A memfd whose memory is mapped shared; the descriptor stays open for as long as the mapping is. */
export interface MemoryFile {
  readonly fd: Fd;
  /** Bytes. */
  readonly offset: bigint;
}

/** One mapping. */
export interface MapRequest {
  readonly vaddr: bigint;
  readonly iova: bigint;
  readonly size: bigint;
  /** Where the memory lies in a memfd, if it does; a backend that can maps it by the file. */
  readonly file?: MemoryFile | undefined;
  /** What the device may do. */
  readonly read: boolean;
  readonly write: boolean;
}
