import { isAnyArrayBuffer, isBigInt64Array, isBigUint64Array, isTypedArray } from 'node:util/types';
import { markAsUntransferable } from 'node:worker_threads';

import type { MemoryFile } from '../../backends/dma-target.js';
import { argumentError, requireArray, requireBoolean, requireInteger } from '../../base/arguments.js';
import { invalidArgument, type VfioError } from '../../base/errors.js';
import type { DmaPieces } from '../../kernel/kernel.js';
import { addon } from '../../native/addon.js';
import { PAGE_SIZE, PAGE_SIZE_BIGINT } from '../../native/page-size.js';

/** Memory of the user: a whole buffer, or the part of it that a view shows. */
export type DmaMemory = SharedArrayBuffer | ArrayBuffer | ArrayBufferView<ArrayBufferLike>;

/** Memory without a gap in this process; whole pages. */
export interface MemoryRun {
  readonly vaddr: bigint;
  /** Bytes. */
  readonly size: bigint;
}

/** Parts of equal size of one memory, in the order in which the device sees them. */
export type MemoryPieces = Pick<DmaPieces, 'offsets' | 'pieceSize'>;

/** Where memory lies in this process; whole pages. */
export interface LocatedMemory extends MemoryRun {
  /** Where the user's memory begins in the first page, bytes; 0n unless the surroundings are mapped too. */
  readonly offset: bigint;
  /** Keeps the bytes in place as long as it is referenced. */
  readonly owner: unknown;
  /** The size of the pages that hold the memory, bytes. */
  readonly pageSize: number;
  /** The memfd that holds the memory; undefined if it is not known to be one. */
  readonly file: MemoryFile | undefined;
  /** The runs, if the memory has gaps; `vaddr` is that of the first run, `size` their sum. */
  readonly runs: readonly MemoryRun[] | undefined;
  /** The pieces of the memory at `vaddr` that are mapped, if not all of it is; `size` is their sum. */
  readonly pieces: MemoryPieces | undefined;
}

/** The addresses of SharedArrayBuffers, which never move: to ask for one costs as much as to make a view. */
const addresses = new WeakMap<SharedArrayBuffer, bigint>();

/**
 * Finds the pages of memory that will be mapped, and keeps the bytes in place.
 * @param surroundings whether to include all of the first and the last page. Devices then reach the bytes around the
 *   memory, too. Default: memory that is not whole pages is rejected
 * @param name what error messages call the memory
 * @throws ERR_INVALID_ARGUMENT if `memory` is not memory, is empty, can move, or is not whole pages
 */
export function locateMemory(memory: DmaMemory, surroundings = false, name = 'memory'): LocatedMemory {
  requireBoolean('surroundings', surroundings);
  const buffer = ArrayBuffer.isView(memory) ? memory.buffer : memory;
  // isAnyArrayBuffer also knows buffers of other realms, but it is a call of native code.
  if (!(buffer instanceof SharedArrayBuffer) && !isAnyArrayBuffer(buffer)) throw notMemory(name, memory);
  const byteOffset = ArrayBuffer.isView(memory) ? memory.byteOffset : 0;
  if (memory.byteLength === 0) throw invalidArgument(`\`${name}\` must not be empty; a transferred buffer is empty`);
  requireFixed(buffer, memory.byteLength, name);
  const address = addressOf(buffer) + BigInt(byteOffset);
  const end = address + BigInt(memory.byteLength);
  const offset = address % PAGE_SIZE_BIGINT;
  const tail = end % PAGE_SIZE_BIGINT;
  if (offset !== 0n || tail !== 0n) {
    if (!surroundings) throw notWholePages(name, offset, tail);
    const vaddr = address - offset;
    return located(vaddr, end - vaddr + (tail === 0n ? 0n : PAGE_SIZE_BIGINT - tail), offset, ownerOf(memory));
  }
  return located(address, end - address, offset, ownerOf(memory));
}

/**
 * Finds the pages of several memories. Memories that follow each other without a gap in this process become one run.
 * @throws ERR_INVALID_ARGUMENT if `memories` is not an array, is empty, or has an element that `locateMemory` rejects
 */
export function locateList(memories: readonly DmaMemory[]): LocatedMemory {
  requireArray('memories', memories);
  const runs: MemoryRun[] = [];
  const owners: unknown[] = [];
  for (const [index, memory] of memories.entries()) {
    const { vaddr, size, owner } = locateMemory(memory, false, `memories[${index}]`);
    owners.push(owner);
    const before = runs.at(-1);
    if (before !== undefined && before.vaddr + before.size === vaddr) {
      runs[runs.length - 1] = { vaddr: before.vaddr, size: before.size + size };
    } else runs.push({ vaddr, size });
  }
  const [first] = runs;
  if (first === undefined) throw invalidArgument('`memories` must have at least one element. Received none');
  const size = runs.reduce((sum, run) => sum + run.size, 0n);
  return { ...located(first.vaddr, size, 0n, owners), runs: runs.length === 1 ? undefined : runs };
}

/**
 * Finds the pages of pieces of one memory.
 * @param offsets where the pieces begin in the memory, bytes, multiples of the page size; copied
 * @param pieceSize bytes, a multiple of the page size
 * @throws ERR_INVALID_ARGUMENT if a piece is not whole pages or not inside the memory, or if there is no piece
 */
export function locatePieces(memory: DmaMemory, offsets: ArrayLike<number>, pieceSize: number): LocatedMemory {
  const whole = locateMemory(memory);
  requireInteger('pieceSize', pieceSize, PAGE_SIZE);
  if (pieceSize % PAGE_SIZE !== 0) {
    throw argumentError('pieceSize', `a multiple of the page size, ${PAGE_SIZE}`, pieceSize);
  }
  const copy = copyOf(offsets);
  if (copy.length === 0) throw invalidArgument('`offsets` must have at least one element. Received none');
  const wrong = addon.piecesFindWrong(copy, Number(whole.size), pieceSize, PAGE_SIZE);
  if (wrong >= 0) {
    const room = `with room for a piece of ${pieceSize} bytes in a memory of ${whole.size} bytes`;
    throw argumentError(`offsets[${wrong}]`, `a multiple of the page size, ${PAGE_SIZE}, ${room}`, copy[wrong]);
  }
  const pieces = { offsets: copy, pieceSize: BigInt(pieceSize) };
  return { ...whole, size: pieces.pieceSize * BigInt(copy.length), pieces };
}

function located(vaddr: bigint, size: bigint, offset: bigint, owner: unknown): LocatedMemory {
  return { vaddr, size, offset, owner, pageSize: PAGE_SIZE, file: undefined, runs: undefined, pieces: undefined };
}

/** A SharedArrayBuffer keeps its bytes. An ArrayBuffer can lose them while it lives: by a transfer, or as memory grows. */
function ownerOf(memory: DmaMemory): unknown {
  const buffer = ArrayBuffer.isView(memory) ? memory.buffer : memory;
  return buffer instanceof SharedArrayBuffer ? memory : [memory, addon.bufferHold(buffer)];
}

/** Copies the offsets, because the caller may change them. @throws ERR_INVALID_ARGUMENT */
function copyOf(offsets: ArrayLike<number>): Float64Array {
  const numbers =
    isNumberArray(offsets) || (Array.isArray(offsets) && offsets.every((each) => typeof each === 'number'));
  if (numbers) return new Float64Array(offsets);
  throw argumentError('offsets', 'an array of numbers', offsets);
}

function isNumberArray(value: unknown): boolean {
  return isTypedArray(value) && !isBigInt64Array(value) && !isBigUint64Array(value);
}

function addressOf(buffer: ArrayBufferLike): bigint {
  if (!(buffer instanceof SharedArrayBuffer)) return addon.bufferAddress(buffer, 0);
  const known = addresses.get(buffer);
  if (known !== undefined) return known;
  const address = addon.bufferAddress(buffer, 0);
  addresses.set(buffer, address);
  return address;
}

/** Rejects an ArrayBuffer whose bytes can move or go away, and keeps others from being transferred. */
function requireFixed(buffer: ArrayBufferLike, byteLength: number, name: string): void {
  if (buffer instanceof SharedArrayBuffer) return;
  // A resizable buffer does not move, but the pages that it gives up are gone while the device still reaches them.
  if ((buffer as ArrayBuffer & { resizable?: boolean }).resizable === true) {
    throw invalidArgument(`\`${name}\` must not be a resizable ArrayBuffer`, 'use a SharedArrayBuffer');
  }
  // V8 keeps the bytes of small typed arrays on its heap, where they move.
  if (byteLength < PAGE_SIZE) {
    throw invalidArgument(`\`${name}\` must have at least a page, ${PAGE_SIZE} bytes. Received ${byteLength} bytes`);
  }
  // The buffer of a WebAssembly memory must not be marked: Node.js 26 aborts when that memory grows.
  if (addon.bufferIsDetachable(buffer)) markAsUntransferable(buffer);
}

function notMemory(name: string, value: unknown): VfioError {
  const kinds = 'a SharedArrayBuffer, an ArrayBuffer or a view (of a WebAssembly.Memory, its `buffer`)';
  return argumentError(name, kinds, value);
}

function notWholePages(name: string, offset: bigint, tail: bigint): VfioError {
  return invalidArgument(
    `\`${name}\` must be whole pages; it starts ${offset} bytes and ends ${tail} bytes into a page of ${PAGE_SIZE}`,
    'allocate it by `dma.allocate`, or map it with `surroundings: true`, which lets devices reach the bytes around it',
  );
}
