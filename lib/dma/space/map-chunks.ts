import type { DmaChunk, DmaTarget } from '../../backends/dma-target.js';
import type { IovaRange } from '../../base/iova-range.js';
import { VfioError } from '../../base/errors.js';
import { Unwinding, withFurther } from '../../base/unwinding.js';
import type { MemoryPieces } from '../memory/located-memory.js';
import { explainMap } from './explain.js';
import type { MapProgress } from './map-request.js';
import type { MappingRecord } from './mapping-table.js';

/** What the explanation of a failed map takes from the space. */
export interface SpaceView {
  /** The IOVAs that can be mapped, ascending. */
  readonly ranges: readonly IovaRange[];
  /** Returns the mappings of the space. */
  records(): Iterable<MappingRecord>;
}

/**
 * Maps a record into an IOMMU object, chunk by chunk. If it fails, the chunks that are mapped are unmapped again. If that
 * fails too, the record keeps the target, so that its memory is not released.
 * @throws ERR_ABORTED and the errors of `DmaTarget.map`, with a hint
 */
export async function mapRecord(
  target: DmaTarget,
  record: MappingRecord,
  space: SpaceView,
  { signal, onProgress }: MapProgress = {},
): Promise<void> {
  record.targets.add(target);
  const done: Pick<DmaChunk, 'iova' | 'size'>[] = [];
  try {
    const first = signal?.aborted === true ? 0 : await mapPieces(target, record);
    if (first > 0) {
      const size = BigInt(first) * (record.memory.pieces as MemoryPieces).pieceSize;
      done.push({ iova: record.iova, size });
      onProgress?.(size);
    }
    for (const chunk of chunksOf(record, first)) {
      if (signal?.aborted === true) throw await explained(aborted(signal), chunk, target, record, space);
      try {
        await target.map(chunk);
      } catch (error) {
        throw await explained(error, chunk, target, record, space);
      }
      done.push(chunk);
      onProgress?.(chunk.iova + chunk.size - record.iova);
    }
  } catch (error) {
    throw await undone(error, done, target, record);
  }
}

/** Unmaps a record from an IOMMU object, if it is mapped there. @throws the errors of `DmaTarget.unmap` */
export async function unmapRecord(target: DmaTarget, record: MappingRecord): Promise<void> {
  if (!record.targets.has(target)) return;
  await target.unmap(record);
  record.targets.delete(target);
}

/** Makes the error of a map that its signal has stopped. */
export function aborted(signal: AbortSignal): VfioError {
  return new VfioError('the map was aborted', { code: 'ERR_ABORTED', cause: signal.reason });
}

/**
 * Maps as many equal pieces as one call of the target can.
 * @returns their number; the chunks that are left begin with the piece that was rejected, whose map tells why
 */
async function mapPieces(target: DmaTarget, { memory, iova, read, write }: MappingRecord): Promise<number> {
  const { pieces, vaddr } = memory;
  if (pieces === undefined || target.mapPieces === undefined) return 0;
  return target.mapPieces({ vaddr, iova, ...pieces }, { read, write });
}

/** Divides a mapping into chunks. @param first the piece to begin with, if the memory has pieces */
function chunksOf(record: MappingRecord, first: number): Iterable<DmaChunk> {
  const { memory, iova, size, read, write, chunkSize } = record;
  const { vaddr, file, runs, pieces } = memory;
  if (pieces !== undefined) return chunksOfPieces(record, pieces, first);
  return runs === undefined && size <= chunkSize ? [{ vaddr, iova, size, read, write, file }] : chunksOfRuns(record);
}

/** Returns the pieces from `first` on. Pieces that follow each other in memory become one chunk. */
function* chunksOfPieces(
  { memory, iova, read, write }: MappingRecord,
  { offsets, pieceSize }: MemoryPieces,
  first: number,
): Generator<DmaChunk> {
  for (let start = first, end; start < offsets.length; start = end) {
    end = endOfRun(offsets, start, Number(pieceSize));
    const vaddr = memory.vaddr + BigInt(offsets[start] as number);
    const size = BigInt(end - start) * pieceSize;
    yield { vaddr, iova: iova + BigInt(start) * pieceSize, size, read, write, file: undefined };
  }
}

function endOfRun(offsets: Float64Array, start: number, pieceSize: number): number {
  let end = start + 1;
  while (end < offsets.length && offsets[end] === (offsets[end - 1] as number) + pieceSize) end += 1;
  return end;
}

/** Cuts each run into chunks of `chunkSize` at most. */
function* chunksOfRuns({ memory, iova, read, write, chunkSize }: MappingRecord): Generator<DmaChunk> {
  const { file } = memory;
  let start = iova;
  for (const run of memory.runs ?? [memory]) {
    for (let done = 0n; done < run.size; done += chunkSize) {
      const left = run.size - done;
      yield {
        vaddr: run.vaddr + done,
        iova: start + done,
        size: left < chunkSize ? left : chunkSize,
        read,
        write,
        file: file && { fd: file.fd, offset: file.offset + done },
      };
    }
    start += run.size;
  }
}

/** Adds a hint to the error of a chunk that was not mapped. */
function explained(
  error: unknown,
  chunk: DmaChunk,
  target: DmaTarget,
  record: MappingRecord,
  space: SpaceView,
): Promise<unknown> {
  const others = [...space.records()].filter((other) => other !== record && other.targets.has(target));
  const remaining = record.iova + record.size - chunk.iova;
  return explainMap(error, chunk, target, { ranges: space.ranges, remaining, others });
}

/** Unmaps the chunks that were mapped before the failure. @returns the failure; errors of the unmaps are its cause */
async function undone(
  failure: unknown,
  done: readonly Pick<DmaChunk, 'iova' | 'size'>[],
  target: DmaTarget,
  record: MappingRecord,
): Promise<unknown> {
  const undo = new Unwinding();
  for (const chunk of done) undo.push(async () => void (await target.unmap(chunk)));
  const further = await undo.run();
  if (further.length === 0) record.targets.delete(target);
  return withFurther(failure, further);
}
