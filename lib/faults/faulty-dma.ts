import { LAST_ADDRESS } from '../base/iova-range.js';
import type { IoasFileMap, IoasMap } from '../kernel/iommufd.js';
import type { DmaMap, DmaPieces, DmaUnmap, Fd, IommuInfo } from '../kernel/kernel.js';
import type { ErrnoName } from '../uapi/errno.js';
import { VFIO_DMA_UNMAP_FLAG_ALL } from '../uapi/vfio.js';
import type { Fault } from './fault.js';
import type { FaultableCall } from './kernel-calls.js';

/** The calls that make one mapping. */
const MAP_CALLS: ReadonlySet<FaultableCall> = new Set(['mapDma', 'mapIoas', 'mapIoasFile']);

/** Tells whether a call maps memory for DMA. */
export function isMapCall(call: FaultableCall): boolean {
  return MAP_CALLS.has(call);
}

/**
 * Returns the errno of a kernel that takes no more mappings. type1 has a limit of entries; iommufd has none, and runs out of
 * memory. Source: vfio_dma_do_map, iopt_alloc_area_pages
 */
export function dmaLimitErrno(call: FaultableCall): ErrnoName {
  return call === 'mapDma' ? 'ENOSPC' : 'ENOMEM';
}

/**
 * Enforces the smallest limit of mappings of a plan. Counts the mappings of each address space: a container, or an iommufd.
 * Thread: the plan's.
 */
export class FaultyDma {
  readonly #limit: number;
  /** The size of each mapping by its first IOVA, for each address space. */
  readonly #mapped = new Map<Fd, Map<bigint, bigint>>();

  constructor(faults: readonly Fault[]) {
    this.#limit = Math.min(...faults.map(({ entries }) => entries ?? Infinity), Infinity);
  }

  /** Tells whether a call exceeds the limit. */
  isFull(call: FaultableCall, space: Fd): boolean {
    return isMapCall(call) && this.#room(space) === 0;
  }

  /** Shortens a list of pieces to those that the address space takes. */
  fitting(space: Fd, pieces: DmaPieces): DmaPieces {
    const room = this.#room(space);
    return room >= pieces.offsets.length ? pieces : { ...pieces, offsets: pieces.offsets.subarray(0, room) };
  }

  /** Lowers the number of mappings that the kernel says it takes. */
  limited(space: Fd, info: IommuInfo): IommuInfo {
    const room = this.#room(space);
    if (room === Infinity) return info;
    return { ...info, dmaAvailable: Math.min(info.dmaAvailable ?? Infinity, room) };
  }

  /** Notes what a call has done. @param result what it returned or resolved with */
  note(call: FaultableCall, args: readonly unknown[], result: unknown): void {
    if (this.#limit === Infinity) return;
    const space = args[0] as Fd;
    if (call === 'mapDma' || call === 'mapIoas' || call === 'mapIoasFile') {
      const { iova, size } = args[1] as DmaMap | IoasMap | IoasFileMap;
      this.#add(space, typeof result === 'bigint' ? result : iova, size);
    } else if (call === 'mapDmaPieces' || call === 'mapIoasPieces') {
      const { iova, pieceSize } = args.at(-1) as DmaPieces;
      for (let i = 0n; i < Number(result); i++) this.#add(space, iova + i * pieceSize, pieceSize);
    } else if (call === 'unmapDma') {
      const { flags, iova, size } = args[1] as DmaUnmap;
      if ((flags & VFIO_DMA_UNMAP_FLAG_ALL) !== 0) this.#mapped.delete(space);
      else this.#remove(space, iova, size);
    } else if (call === 'unmapIoas') {
      this.#remove(space, args[2] as bigint, args[3] as bigint);
    } else if (call === 'close' || call === 'destroy') {
      this.#mapped.delete(space);
    }
  }

  #room(space: Fd): number {
    return Math.max(0, this.#limit - (this.#mapped.get(space)?.size ?? 0));
  }

  #add(space: Fd, iova: bigint, size: bigint): void {
    const mappings = this.#mapped.get(space) ?? new Map<bigint, bigint>();
    mappings.set(iova, size);
    this.#mapped.set(space, mappings);
  }

  #remove(space: Fd, iova: bigint, size: bigint): void {
    const mappings = this.#mapped.get(space);
    if (mappings === undefined) return;
    const last = iova + size > LAST_ADDRESS ? LAST_ADDRESS : iova + size - 1n;
    for (const [start, length] of mappings) {
      if (start >= iova && start + length - 1n <= last) mappings.delete(start);
    }
  }
}
