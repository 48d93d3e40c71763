import type { DmaTarget, MapRequest } from '../../backends/backend.js';
import { PAGE_SIZE_BIGINT } from '../../native/page-size.js';
import { RangeTree } from '../iova/range-tree.js';

/** Memory in one piece. */
export interface MemoryRun {
  readonly vaddr: bigint;
  /** Bytes, of whole pages. */
  readonly size: bigint;
}

/** Equal pieces of memory; bytes. */
export interface MemoryPieces {
  readonly offsets: Float64Array;
  readonly pieceSize: bigint;
}

/** A range of the space that is mapped, being mapped or being unmapped. */
export interface MappingRecord extends MapRequest {
  /** What the memory belongs to, or a list of that: held as long as a device can reach it. */
  readonly memory: unknown;
  /** Where the memory lies, one run after the other in the IOVAs; undefined where it is one piece at `vaddr`. */
  readonly runs?: readonly MemoryRun[] | undefined;
  /** The equal pieces of the memory at `vaddr` that are mapped, where it is not all of it. */
  readonly pieces?: MemoryPieces | undefined;
  /** The most bytes of one kernel mapping. */
  readonly chunk: bigint;
  /** The targets that it is mapped in. */
  readonly targets: Set<DmaTarget>;
  /** The unmapping that runs now; all who ask for one share it. */
  unmapping: Promise<void> | undefined;
  /** Whether no device reaches it any more. */
  ended: boolean;
  /** Lets the memory go, when it has ended. */
  readonly release: () => void;
}

/** The mappings of a space, by IOVA. */
export class MappingTable {
  readonly #tree = new RangeTree();
  /** By their first page. */
  readonly #records = new Map<number, MappingRecord>();

  get size(): number {
    return this.#records.size;
  }

  add(record: MappingRecord): void {
    const start = page(record.iova);
    this.#tree.add(start, page(record.iova + record.size) - 1);
    this.#records.set(start, record);
  }

  delete(record: MappingRecord): void {
    this.#tree.delete(page(record.iova));
    this.#records.delete(page(record.iova));
  }

  /** Finds a mapping that overlaps a range. */
  overlapping(iova: bigint, size: bigint): MappingRecord | undefined {
    const found = this.#tree.overlapping(page(iova), page(iova + size - 1n));
    return found && this.#records.get(found.start);
  }

  /** Gives all mappings, by ascending IOVA. */
  *records(): Generator<MappingRecord> {
    for (const { start } of this.#tree) {
      const record = this.#records.get(start);
      if (record !== undefined) yield record;
    }
  }

  /** Gives what is mapped, as ranges. */
  *ranges(): Generator<{ start: bigint; last: bigint }> {
    for (const { iova, size } of this.records()) yield { start: iova, last: iova + size - 1n };
  }
}

/** Cuts a mapping into the kernel's mappings. */
export function chunksOf(record: MappingRecord): Iterable<MapRequest> {
  if (record.pieces !== undefined) return piecesFrom(record, record.pieces, 0);
  return record.runs === undefined && record.size <= record.chunk ? [record] : cut(record);
}

/** Gives the pieces of a mapping from one on, neighbours in memory as one. */
export function* piecesFrom(
  { vaddr, iova, read, write }: MappingRecord,
  { offsets, pieceSize }: MemoryPieces,
  from: number,
): Generator<MapRequest> {
  for (let first = from, end; first < offsets.length; first = end) {
    end = endOfRun(offsets, first, Number(pieceSize));
    const start = vaddr + BigInt(offsets[first] as number);
    yield { vaddr: start, iova: iova + BigInt(first) * pieceSize, size: BigInt(end - first) * pieceSize, read, write };
  }
}

function endOfRun(offsets: Float64Array, first: number, size: number): number {
  let end = first + 1;
  while (end < offsets.length && offsets[end] === (offsets[end - 1] as number) + size) end += 1;
  return end;
}

function* cut(record: MappingRecord): Generator<MapRequest> {
  const { read, write, file, chunk } = record;
  let { iova } = record;
  for (const { vaddr, size } of record.runs ?? [record]) {
    for (let done = 0n; done < size; done += chunk) {
      const left = size - done;
      const piece = { vaddr: vaddr + done, iova: iova + done, size: left < chunk ? left : chunk, read, write };
      yield file === undefined ? piece : { ...piece, file: { fd: file.fd, offset: file.offset + done } };
    }
    iova += size;
  }
}

function page(bytes: bigint): number {
  return Number(bytes / PAGE_SIZE_BIGINT);
}
