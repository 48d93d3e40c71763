import { VfioError } from '../../errors.js';
import type { IommufdKernel } from '../../kernel/iommufd.js';
import type { Fd, VfioKernel } from '../../kernel/kernel.js';
import { IOMMU_IOAS_MAP_FIXED_IOVA, IOMMU_IOAS_MAP_READABLE, IOMMU_IOAS_MAP_WRITEABLE } from '../../uapi/iommufd.js';
import { readLockedMemory, type LockedMemory } from '../../locked-memory.js';
import { queryGroup, queryReservedRegions } from '../../pci-sysfs.js';
import { Unwinding } from '../../unwinding.js';
import type { DmaLimits, DmaSpaceHost, DmaTarget, MapRequest, ReservedRange } from '../backend.js';

/** A kernel that has iommufd beside the groups. */
export type KernelWithIommufd = VfioKernel & IommufdKernel;

const PAGE_SIZES_UNKNOWN = 4096n;

/** An IOAS in an iommufd of its own: what the devices of one space share. Source: drivers/iommu/iommufd/ioas.c */
export class AddressSpace implements DmaTarget {
  /** How many devices are in it. */
  users = 0;
  /** Their folders in /sys, by name. */
  readonly devices = new Map<string, string>();

  private constructor(
    private readonly kernel: KernelWithIommufd,
    readonly space: DmaSpaceHost,
    readonly iommufd: Fd,
    readonly ioasId: number,
  ) {}

  /** @throws ENOENT where the kernel has no iommufd, EACCES */
  static async create(kernel: KernelWithIommufd, space: DmaSpaceHost): Promise<AddressSpace> {
    const iommufd = await kernel.openIommufd();
    const undo = new Unwinding();
    undo.push(() => kernel.close(iommufd));
    try {
      return new AddressSpace(kernel, space, iommufd, kernel.allocIoas(iommufd));
    } catch (error) {
      throw await undo.failed(error);
    }
  }

  /** Ends the IOAS with all of its mappings. */
  async destroy(): Promise<void> {
    const undo = new Unwinding();
    undo.push(() => this.kernel.close(this.iommufd));
    undo.push(() => this.kernel.destroy(this.iommufd, this.ioasId));
    await undo.runOrThrow();
  }

  queryLimits(): Promise<DmaLimits> {
    const { iovaAlignment, ranges } = this.kernel.getIovaRanges(this.iommufd, this.ioasId);
    return Promise.resolve({
      ranges,
      // The ranges are without them already.
      reserved: [],
      pageSizes: iovaAlignment > 0n ? iovaAlignment : PAGE_SIZES_UNKNOWN,
      entriesLeft: undefined,
      entryLimit: undefined,
      dirtyPageSizes: 0n,
    });
  }

  async queryReserved(): Promise<readonly ReservedRange[]> {
    const { sysfs } = this.kernel;
    const groups = await Promise.all([...this.devices].map(([name, sysfsPath]) => queryGroup(sysfs, sysfsPath, name)));
    const ids = new Set(groups.map(({ id }) => id));
    return (await Promise.all([...ids].map((id) => queryReservedRegions(sysfs, id)))).flat();
  }

  queryLocked(): Promise<LockedMemory> {
    return readLockedMemory('iommufd');
  }

  async map({ vaddr, iova, size, read, write }: MapRequest): Promise<void> {
    const access = (read ? IOMMU_IOAS_MAP_READABLE : 0) | (write ? IOMMU_IOAS_MAP_WRITEABLE : 0);
    const flags = IOMMU_IOAS_MAP_FIXED_IOVA | access;
    await this.kernel.mapIoas(this.iommufd, { ioasId: this.ioasId, flags, vaddr, iova, size });
  }

  /** As type1 does: a range in which nothing is mapped is no error. */
  async unmap({ iova, size }: { iova: bigint; size: bigint }): Promise<bigint> {
    try {
      return await this.kernel.unmapIoas(this.iommufd, this.ioasId, iova, size);
    } catch (error) {
      if (error instanceof VfioError && error.code === 'ENOENT') return 0n;
      throw error;
    }
  }

  unmapDirty(): Promise<Uint8Array> {
    return Promise.reject(noDirtyTracking());
  }

  setDirtyTracking(): Promise<void> {
    return Promise.reject(noDirtyTracking());
  }

  takeDirty(): Promise<Uint8Array> {
    return Promise.reject(noDirtyTracking());
  }
}

function noDirtyTracking(): VfioError {
  return new VfioError('an IOAS of iommufd tracks no dirty pages', {
    code: 'ERR_NOT_SUPPORTED',
    hint: "ask `dirtyPageSizes` first, or attach by the backend 'container'",
  });
}
