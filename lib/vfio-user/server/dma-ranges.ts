import { systemError } from '../../base/errors.js';
import type { Fd } from '../../kernel/kernel.js';
import {
  VFIO_USER_DEFAULT_MAX_DMA_MAPS,
  VFIO_USER_DMA_MAP_FLAG_READ,
  VFIO_USER_DMA_MAP_FLAG_WRITE,
  type WireDmaMap,
} from '../protocol/protocol.js';
import { FileMemories, type FileMemory } from './file-memory.js';
import type { OwnedResources } from './owned-resources.js';

/** A range of addresses that the client mapped. Without a file, messages reach its memory. */
export interface DmaRange {
  /** The first address. */
  readonly iova: bigint;
  /** The last address, inclusive. */
  readonly last: bigint;
  /** Whether the device may read. */
  readonly readable: boolean;
  /** Whether the device may write. */
  readonly writable: boolean;
  readonly file?: FileMemory | undefined;
  /** Where the range starts in the file, in bytes. */
  readonly fileOffset: bigint;
}

const KNOWN_FLAGS = VFIO_USER_DMA_MAP_FLAG_READ | VFIO_USER_DMA_MAP_FLAG_WRITE;

/** The ranges that the client mapped, sorted by address. */
export class DmaRanges {
  readonly #ranges: DmaRange[] = [];
  readonly #files: FileMemories;

  constructor(owned: OwnedResources) {
    this.#files = new FileMemories(owned);
  }

  /**
   * Adds a range.
   * @param takeFd takes the descriptor that came with the command, if one came
   * @throws EEXIST if the range overlaps another; ENOSPC if there are 65535 ranges; EINVAL for unknown flags and for a
   * file that is shorter than the range
   */
  add(map: WireDmaMap, takeFd: () => Fd | undefined): void {
    const last = map.iova + map.size - 1n;
    const at = this.#firstEndingAtOrAfter(map.iova);
    const next = this.#ranges[at];
    if (next !== undefined && next.iova <= last) throw systemError('EEXIST', 'vfio-user(DMA_MAP)');
    if (this.#ranges.length >= VFIO_USER_DEFAULT_MAX_DMA_MAPS) throw systemError('ENOSPC', 'vfio-user(DMA_MAP)');
    if ((map.flags & ~KNOWN_FLAGS) !== 0) throw systemError('EINVAL', 'vfio-user(DMA_MAP)');
    this.#ranges.splice(at, 0, {
      iova: map.iova,
      last,
      readable: (map.flags & VFIO_USER_DMA_MAP_FLAG_READ) !== 0,
      writable: (map.flags & VFIO_USER_DMA_MAP_FLAG_WRITE) !== 0,
      file: this.#open(map, takeFd()),
      fileOffset: map.fdOffset,
    });
  }

  /**
   * Removes all ranges that lie inside a range. The range may be empty, or exceed 2^64 as QEMU's does.
   * @returns the removed ranges
   * @throws EINVAL if a range lies only partly inside; then none is removed
   */
  remove(iova: bigint, size: bigint): DmaRange[] {
    if (size === 0n) return [];
    const last = iova + size - 1n;
    const at = this.#firstEndingAtOrAfter(iova);
    let end = at;
    while ((this.#ranges[end]?.iova ?? last + 1n) <= last) end += 1;
    const inside = this.#ranges.slice(at, end);
    if (inside.some((range) => range.iova < iova || range.last > last))
      throw systemError('EINVAL', 'vfio-user(DMA_UNMAP)');
    this.#ranges.splice(at, inside.length);
    for (const { file } of inside) if (file !== undefined) this.#files.close(file);
    return inside;
  }

  /** Removes all ranges. */
  clear(): void {
    this.remove(0n, 1n << 64n);
  }

  /** Finds the range that contains an address. */
  find(iova: bigint): DmaRange | undefined {
    const range = this.#ranges[this.#firstEndingAtOrAfter(iova)];
    return range !== undefined && range.iova <= iova ? range : undefined;
  }

  #open(map: WireDmaMap, fd: Fd | undefined): FileMemory | undefined {
    if (fd === undefined) return undefined;
    const file = this.#files.open(fd, map.flags, map.fdOffset, map.fdOffset + map.size);
    if (file === 'short') throw systemError('EINVAL', 'vfio-user(DMA_MAP)');
    return file;
  }

  #firstEndingAtOrAfter(iova: bigint): number {
    let low = 0;
    let high = this.#ranges.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#ranges[middle]?.last ?? iova) < iova) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
