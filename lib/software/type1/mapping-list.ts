import type { MemlockAccount } from '../base/caller.js';

/** The mapping that one VFIO_IOMMU_MAP_DMA made. Source: struct vfio_dma */
export interface Type1Mapping {
  readonly iova: bigint;
  /** Bytes. */
  readonly size: bigint;
  /** VFIO_DMA_MAP_FLAG_READ, VFIO_DMA_MAP_FLAG_WRITE or both. */
  readonly access: number;
  /** Where the memory is in the address space of this process. */
  vaddr: bigint;
  /** True between UNMAP_DMA with FLAG_VADDR and MAP_DMA with FLAG_VADDR. */
  vaddrInvalid: boolean;
  /** The process that pays for the pinned memory. */
  account: MemlockAccount;
  /** Whether the pages are pinned. They are while the container has an IOMMU domain. */
  pinned: boolean;
}

/** Returns the last IOVA of a mapping. */
export function lastOf(mapping: { readonly iova: bigint; readonly size: bigint }): bigint {
  return mapping.iova + mapping.size - 1n;
}

/** A chunk has at most this many mappings. With 65,535 mappings, both levels of the list stay short. */
const CHUNK = 512;

/**
 * The mappings of an address space, ordered by IOVA. They never overlap. The list is a list of short sorted chunks: a
 * search takes logarithmic time, and an insertion moves at most one chunk. Source: struct vfio_iommu, dma_list
 */
export class MappingList {
  #chunks: Type1Mapping[][] = [];
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** Adds a mapping. The caller has checked that it overlaps no other. */
  insert(mapping: Type1Mapping): void {
    this.#count += 1;
    const at = Math.max(this.#chunkOf(mapping.iova), 0);
    const chunk = this.#chunks[at];
    if (chunk === undefined) {
      this.#chunks.push([mapping]);
      return;
    }
    chunk.splice(countBefore(chunk, mapping.iova), 0, mapping);
    if (chunk.length > CHUNK) this.#chunks.splice(at + 1, 0, chunk.splice(CHUNK / 2));
  }

  /** Removes a mapping. */
  delete(mapping: Type1Mapping): void {
    const at = this.#chunkOf(mapping.iova);
    const chunk = this.#chunks[at];
    const index = chunk === undefined ? -1 : countBefore(chunk, mapping.iova);
    if (chunk?.[index] !== mapping) throw new Error('the mapping is not in the list');
    this.#count -= 1;
    chunk.splice(index, 1);
    if (chunk.length === 0) this.#chunks.splice(at, 1);
  }

  /** Removes all mappings. */
  clear(): void {
    this.#chunks = [];
    this.#count = 0;
  }

  /** Returns the first mapping that overlaps the range. @param last the last IOVA of the range */
  find(start: bigint, last: bigint): Type1Mapping | undefined {
    const first = this.overlapping(start, last).next();
    return first.done === true ? undefined : first.value;
  }

  /**
   * Iterates over the mappings that overlap the range, in their order. The list must not change during the iteration.
   * @param last the last IOVA of the range
   */
  *overlapping(start: bigint, last: bigint): Generator<Type1Mapping, undefined> {
    let chunkIndex = Math.max(this.#chunkOf(start), 0);
    let index = Math.max(countBefore(this.#chunks[chunkIndex] ?? [], start + 1n) - 1, 0);
    for (; chunkIndex < this.#chunks.length; chunkIndex += 1, index = 0) {
      const chunk = this.#chunks[chunkIndex] ?? [];
      for (; index < chunk.length; index += 1) {
        const mapping = chunk[index] as Type1Mapping;
        if (mapping.iova > last) return undefined;
        if (lastOf(mapping) >= start) yield mapping;
      }
    }
    return undefined;
  }

  *[Symbol.iterator](): Generator<Type1Mapping, undefined> {
    for (const chunk of this.#chunks) yield* chunk;
    return undefined;
  }

  /** Returns the index of the last chunk that starts at or below `iova`, -1 if there is none. */
  #chunkOf(iova: bigint): number {
    let low = 0;
    let high = this.#chunks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#chunks[middle]?.[0] as Type1Mapping).iova <= iova) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }
}

/** Returns how many mappings of a chunk start below `iova`. */
function countBefore(chunk: readonly Type1Mapping[], iova: bigint): number {
  let low = 0;
  let high = chunk.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((chunk[middle] as Type1Mapping).iova < iova) low = middle + 1;
    else high = middle;
  }
  return low;
}
