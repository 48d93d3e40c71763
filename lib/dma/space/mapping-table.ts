import type { DmaTarget } from '../../backends/dma-target.js';
import type { IovaRange } from '../../base/iova-range.js';
import { PAGE_SIZE_BIGINT } from '../../native/page-size.js';
import { RangeTree } from '../iova/range-tree.js';
import type { MapRequest } from './map-request.js';

/** A range of a space that is mapped, is being mapped, or is being unmapped. */
export interface MappingRecord extends Pick<MapRequest, 'memory' | 'read' | 'write' | 'chunkSize'> {
  readonly iova: bigint;
  /** Bytes; the size of the memory. */
  readonly size: bigint;
  /** The IOMMU objects in which it is mapped, or may still be after a failed unmap. */
  readonly targets: Set<DmaTarget>;
  /** The unmap that runs now; all callers share it. */
  unmapping: Promise<void> | undefined;
  /** Whether no device reaches it any more. */
  ended: boolean;
  /** Called once when it has ended; releases the memory. */
  readonly release: () => void;
}

/**
 * Makes the record of a request that has got its IOVA. One literal of few fields, because a space may hold very many. The
 * request is not kept: its `signal` and `onProgress` can be collected.
 */
export function mappingRecord(request: MapRequest, iova: bigint, release: () => void): MappingRecord {
  const { memory, read, write, chunkSize } = request;
  const targets = new Set<DmaTarget>();
  return {
    memory,
    iova,
    size: memory.size,
    read,
    write,
    chunkSize,
    targets,
    unmapping: undefined,
    ended: false,
    release,
  };
}

/** The mappings of a space, by IOVA. */
export class MappingTable {
  readonly #tree = new RangeTree();
  /** By their first page. */
  readonly #records = new Map<number, MappingRecord>();

  /** The number of mappings. */
  get size(): number {
    return this.#records.size;
  }

  /** Adds a record; its range overlaps no other. */
  add(record: MappingRecord): void {
    const start = pageOf(record.iova);
    this.#tree.add(start, pageOf(record.iova + record.size) - 1);
    this.#records.set(start, record);
  }

  /** Removes a record. */
  delete(record: MappingRecord): void {
    this.#tree.delete(pageOf(record.iova));
    this.#records.delete(pageOf(record.iova));
  }

  /** Finds a mapping that overlaps a range. @param size bytes */
  overlapping(iova: bigint, size: bigint): MappingRecord | undefined {
    const found = this.#tree.overlapping(pageOf(iova), pageOf(iova + size - 1n));
    return found && this.#records.get(found.start);
  }

  /** Returns all mappings, by ascending IOVA. */
  *records(): Generator<MappingRecord> {
    for (const { start } of this.#tree) {
      const record = this.#records.get(start);
      if (record !== undefined) yield record;
    }
  }

  /** Returns the mapped ranges, ascending. */
  *ranges(): Generator<IovaRange> {
    for (const { iova, size } of this.records()) yield { start: iova, last: iova + size - 1n };
  }
}

function pageOf(iova: bigint): number {
  return Number(iova / PAGE_SIZE_BIGINT);
}
