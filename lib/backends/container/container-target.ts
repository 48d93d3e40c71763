import type { DirtyRange, ReservedRange } from '../../base/iova-range.js';
import { VfioError } from '../../base/errors.js';
import { callKernel, withHint } from '../../kernel/hints.js';
import type { DmaPieces, Fd, VfioKernel } from '../../kernel/kernel.js';
import { toPromise } from '../../base/sync-or-async.js';
import { readLockedMemory, type LockedMemory } from '../../kernel/locked-memory.js';
import {
  VFIO_DMA_MAP_FLAG_READ,
  VFIO_DMA_MAP_FLAG_WRITE,
  VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP,
} from '../../uapi/vfio.js';
import type { DmaChunk, DmaLimits, DmaRights, DmaTarget } from '../dma-target.js';

/** The type1 IOMMU of a container. Source: vfio_iommu_type1.c */
export class ContainerTarget implements DmaTarget {
  readonly #kernel: VfioKernel;
  readonly #container: Fd;
  readonly #reserved: () => readonly ReservedRange[];
  #entryLimit: number | undefined;

  /** @param reserved returns the reserved ranges of the groups that are in the container now */
  constructor(kernel: VfioKernel, container: Fd, reserved: () => readonly ReservedRange[]) {
    this.#kernel = kernel;
    this.#container = container;
    this.#reserved = reserved;
  }

  queryLimits(): Promise<DmaLimits> {
    return toPromise(() => this.#limits());
  }

  queryReserved(): Promise<readonly ReservedRange[]> {
    return Promise.resolve(this.#reserved());
  }

  /** The software core counts for its own simulated processes, which /proc does not show. */
  async queryLocked(): Promise<LockedMemory> {
    return this.#kernel.lockedMemory?.() ?? readLockedMemory('type1');
  }

  map({ vaddr, iova, size, read, write }: DmaChunk): Promise<void> {
    return this.#kernel.mapDma(this.#container, { flags: type1MapFlags(read, write), vaddr, iova, size });
  }

  async mapPieces(pieces: DmaPieces, { read, write }: DmaRights): Promise<number> {
    return (await this.#kernel.mapDmaPieces?.(this.#container, type1MapFlags(read, write), pieces)) ?? 0;
  }

  async unmap({ iova, size }: { readonly iova: bigint; readonly size: bigint }): Promise<bigint> {
    try {
      return (await this.#kernel.unmapDma(this.#container, { flags: 0, iova, size })).size;
    } catch (error) {
      throw withHint(error, 'unmapDma');
    }
  }

  async unmapDirty({ iova, size, pageSize }: DirtyRange): Promise<Uint8Array> {
    const bits = size / pageSize;
    const bitmap = { pageSize, size: ((bits + 63n) / 64n) * 8n };
    const result = await callKernel('unmapDma', {}, () =>
      this.#kernel.unmapDma(this.#container, { flags: VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP, iova, size, bitmap }),
    );
    if (result.bitmap === undefined) {
      throw new VfioError('the kernel returned no dirty bitmap', {
        code: 'EIO',
        syscall: 'ioctl(VFIO_IOMMU_UNMAP_DMA)',
      });
    }
    return result.bitmap;
  }

  setDirtyTracking(enabled: boolean): Promise<void> {
    return callKernel('setDirtyTracking', {}, () => this.#kernel.setDirtyTracking(this.#container, enabled));
  }

  takeDirty(range: DirtyRange): Promise<Uint8Array> {
    return callKernel('getDirtyBitmap', {}, () => this.#kernel.getDirtyBitmap(this.#container, range));
  }

  #limits(): DmaLimits {
    const info = callKernel('getIommuInfo', {}, () => this.#kernel.getIommuInfo(this.#container));
    // The first query runs before anything is mapped, so it has the limit. The module parameter may have changed since.
    this.#entryLimit ??= info.dmaAvailable;
    return {
      ranges: info.iovaRanges,
      reserved: this.#reserved(),
      pageSizes: info.pageSizes,
      entriesLeft: info.dmaAvailable,
      entryLimit: this.#entryLimit,
      dirtyPageSizes: info.migration?.pageSizes ?? 0n,
    };
  }
}

function type1MapFlags(read: boolean, write: boolean): number {
  return (read ? VFIO_DMA_MAP_FLAG_READ : 0) | (write ? VFIO_DMA_MAP_FLAG_WRITE : 0);
}
