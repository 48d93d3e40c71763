/** A range of IOVAs with something behind it. */
export interface IovaEntry {
  /** The first IOVA. */
  readonly iova: bigint;
  /** Bytes. */
  readonly size: bigint;
}

/** Returns the last IOVA of a mapping. */
export function lastOf(mapping: IovaEntry): bigint {
  return mapping.iova + mapping.size - 1n;
}

/** A chunk has at most this many mappings. With 65,535 mappings, both levels of the list stay short. */
const CHUNK = 512;

/**
 * The mappings of an address space, ordered by IOVA. They never overlap. The list is a list of short sorted chunks: a
 * search takes logarithmic time, and an insertion moves at most one chunk.
 * Source: struct vfio_iommu, dma_list; struct io_pagetable, area_itree
 */
export class IovaList<Entry extends IovaEntry> {
  #chunks: Entry[][] = [];
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** Adds a mapping. The caller has checked that it overlaps no other. */
  insert(mapping: Entry): void {
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
  delete(mapping: Entry): void {
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
  find(start: bigint, last: bigint): Entry | undefined {
    const first = this.overlapping(start, last).next();
    return first.done === true ? undefined : first.value;
  }

  /**
   * Iterates over the mappings that overlap the range, in their order. The list must not change during the iteration.
   * @param last the last IOVA of the range
   */
  *overlapping(start: bigint, last: bigint): Generator<Entry, undefined> {
    let chunkIndex = Math.max(this.#chunkOf(start), 0);
    let index = Math.max(countBefore(this.#chunks[chunkIndex] ?? [], start + 1n) - 1, 0);
    for (; chunkIndex < this.#chunks.length; chunkIndex += 1, index = 0) {
      const chunk = this.#chunks[chunkIndex] ?? [];
      for (; index < chunk.length; index += 1) {
        const mapping = chunk[index] as Entry;
        if (mapping.iova > last) return undefined;
        if (lastOf(mapping) >= start) yield mapping;
      }
    }
    return undefined;
  }

  *[Symbol.iterator](): Generator<Entry, undefined> {
    for (const chunk of this.#chunks) yield* chunk;
    return undefined;
  }

  /** Returns the index of the last chunk that starts at or below `iova`, -1 if there is none. */
  #chunkOf(iova: bigint): number {
    let low = 0;
    let high = this.#chunks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#chunks[middle]?.[0] as Entry).iova <= iova) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }
}

/** Returns how many mappings of a chunk start below `iova`. */
function countBefore(chunk: readonly IovaEntry[], iova: bigint): number {
  let low = 0;
  let high = chunk.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((chunk[middle] as IovaEntry).iova < iova) low = middle + 1;
    else high = middle;
  }
  return low;
}
