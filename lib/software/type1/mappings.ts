import type { SoftwareProcess } from '../machine/process.js';

/** One MAP_DMA. Source: struct vfio_dma */
export interface Mapping {
  readonly iova: bigint;
  readonly size: bigint;
  /** VFIO_DMA_MAP_FLAG_READ, VFIO_DMA_MAP_FLAG_WRITE or both. */
  readonly access: number;
  vaddr: bigint;
  /** UNMAP_DMA with FLAG_VADDR was called, MAP_DMA with FLAG_VADDR not yet. */
  vaddrInvalid: boolean;
  /** Who pays for the locked memory. */
  owner: SoftwareProcess;
  /** Whether the pages are locked: not before a domain exists. */
  pinned: boolean;
}

/** Gives the last iova of a mapping. */
export function lastOf(mapping: { readonly iova: bigint; readonly size: bigint }): bigint {
  return mapping.iova + mapping.size - 1n;
}

/** The most mappings in one chunk; with 65,535 mappings both levels stay short. */
const CHUNK = 512;

/**
 * Mappings that do not overlap, in the order of their iova: a list of short sorted lists, so that finding is
 * logarithmic and inserting moves at most a chunk.
 */
export class Mappings<T extends { readonly iova: bigint; readonly size: bigint } = Mapping> {
  #chunks: T[][] = [];
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** Adds a mapping, which must not overlap another. */
  insert(mapping: T): void {
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

  /** Takes a mapping out. */
  delete(mapping: T): void {
    const at = this.#chunkOf(mapping.iova);
    const chunk = this.#chunks[at];
    const index = chunk === undefined ? -1 : countBefore(chunk, mapping.iova);
    if (chunk?.[index] !== mapping) throw new Error('the mapping is not in the list');
    this.#count -= 1;
    chunk.splice(index, 1);
    if (chunk.length === 0) this.#chunks.splice(at, 1);
  }

  /** Takes all mappings out. */
  clear(): void {
    this.#chunks = [];
    this.#count = 0;
  }

  /** Gives the first mapping that touches the inclusive range. */
  find(start: bigint, last: bigint): T | undefined {
    const first = this.overlapping(start, last).next();
    return first.done === true ? undefined : first.value;
  }

  /** Walks the mappings that touch the inclusive range, in order. The list must not change meanwhile. */
  *overlapping(start: bigint, last: bigint): Generator<T, undefined> {
    let chunkIndex = Math.max(this.#chunkOf(start), 0);
    let index = Math.max(countBefore(this.#chunks[chunkIndex] ?? [], start + 1n) - 1, 0);
    for (; chunkIndex < this.#chunks.length; chunkIndex += 1, index = 0) {
      const chunk = this.#chunks[chunkIndex] ?? [];
      for (; index < chunk.length; index += 1) {
        const mapping = chunk[index] as T;
        if (mapping.iova > last) return undefined;
        if (lastOf(mapping) >= start) yield mapping;
      }
    }
    return undefined;
  }

  *[Symbol.iterator](): Generator<T, undefined> {
    for (const chunk of this.#chunks) yield* chunk;
    return undefined;
  }

  /** Gives the chunk in which `iova` lies or belongs: the last one that starts at or below it; -1 for none. */
  #chunkOf(iova: bigint): number {
    let low = 0;
    let high = this.#chunks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#chunks[middle]?.[0] as T).iova <= iova) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }
}

/** Counts the mappings of a chunk that start below `iova`. */
function countBefore<T extends { readonly iova: bigint }>(chunk: readonly T[], iova: bigint): number {
  let low = 0;
  let high = chunk.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((chunk[middle] as T).iova < iova) low = middle + 1;
    else high = middle;
  }
  return low;
}
