import { isAnyArrayBuffer, isBigInt64Array, isBigUint64Array, isTypedArray } from 'node:util/types';
import { markAsUntransferable } from 'node:worker_threads';

import { requireArray, requireWhole, shown } from '../../base/arguments.js';
import { invalidArgument, type VfioError } from '../../base/errors.js';
import { addon } from '../../native/addon.js';
import type { MemoryPieces, MemoryRun } from '../space/mapping-table.js';
import { PAGE_SIZE, PAGE_SIZE_BIGINT } from '../../native/page-size.js';

/** Memory of the user's: whole, or the part of it that a view shows. */
export type DmaMemory = SharedArrayBuffer | ArrayBuffer | ArrayBufferView<ArrayBufferLike>;

/** Where memory lies, in whole pages. */
export interface Located {
  /** The address of the first page. */
  readonly vaddr: bigint;
  /** Bytes of whole pages. */
  readonly size: bigint;
  /** Where the memory begins within them; 0 unless the pages around it are mapped too. */
  readonly offset: bigint;
}

/** Where shared buffers begin: for their whole life, and to ask costs a view of them. */
const addresses = new WeakMap<SharedArrayBuffer, bigint>();

/**
 * Finds the pages of memory that is to be mapped.
 * @param surroundings whether the pages that the memory only shares may be mapped whole: the device then reaches what
 *   lies beside it
 * @throws ERR_INVALID_ARGUMENT for memory that does not consist of whole pages, and for no memory
 */
export function locate(memory: DmaMemory, surroundings: boolean): Located {
  const buffer = ArrayBuffer.isView(memory) ? memory.buffer : memory;
  // The check that is right for buffers of other realms, too, is a call of native code.
  if (!(buffer instanceof SharedArrayBuffer) && !isAnyArrayBuffer(buffer)) throw notMemory(memory);
  const byteOffset = ArrayBuffer.isView(memory) ? memory.byteOffset : 0;
  if (memory.byteLength === 0) throw invalidArgument('an empty buffer, or one that was transferred, cannot be mapped');
  keepInPlace(buffer, memory.byteLength);
  const address = addressOf(buffer) + BigInt(byteOffset);
  const end = address + BigInt(memory.byteLength);
  const offset = address % PAGE_SIZE_BIGINT;
  const tail = end % PAGE_SIZE_BIGINT;
  if (offset === 0n && tail === 0n) return { vaddr: address, size: end - address, offset };
  if (surroundings) {
    const vaddr = address - offset;
    return { vaddr, size: end - vaddr + (tail === 0n ? 0n : PAGE_SIZE_BIGINT - tail), offset };
  }
  throw invalidArgument(
    `the memory is not of whole pages: it starts ${offset} bytes into a page and ends ${tail} bytes into one`,
    'take memory of `dma.allocate`, or map it with `surroundings: true`, which shows its pages whole to the device',
  );
}

/**
 * Finds the pages of several memories; those that lie one behind the other are one run.
 * @throws ERR_INVALID_ARGUMENT for one that does not consist of whole pages, and for none
 */
export function locateAll(memories: readonly DmaMemory[]): MemoryRun[] {
  requireArray('memories', memories);
  if (memories.length === 0) throw invalidArgument('there is no memory to map');
  const runs: MemoryRun[] = [];
  for (const memory of memories) {
    const { vaddr, size } = locate(memory, false);
    const before = runs.at(-1);
    if (before !== undefined && before.vaddr + before.size === vaddr) {
      runs[runs.length - 1] = { vaddr: before.vaddr, size: before.size + size };
    } else runs.push({ vaddr, size });
  }
  return runs;
}

/** Checks the pieces that are wanted of memory, and keeps where they are. @throws ERR_INVALID_ARGUMENT */
export function locatePieces({ size }: Located, offsets: ArrayLike<number>, pieceSize: number): MemoryPieces {
  requireWhole('pieceSize', pieceSize, PAGE_SIZE);
  if (pieceSize % PAGE_SIZE !== 0) throw invalidArgument(`a piece of ${pieceSize} bytes is not of whole pages`);
  const kept = copyOf(offsets);
  if (kept.length === 0) throw invalidArgument('there is no piece to map');
  const wrong = addon.piecesFindWrong(kept, Number(size), pieceSize, PAGE_SIZE);
  if (wrong >= 0) {
    throw invalidArgument(`no piece of ${pieceSize} bytes, in whole pages, begins at ${kept[wrong]} of ${size} bytes`);
  }
  return { offsets: kept, pieceSize: BigInt(pieceSize) };
}

/** A copy: the caller may change its own. @throws ERR_INVALID_ARGUMENT */
function copyOf(offsets: ArrayLike<number>): Float64Array {
  const numbers =
    isNumberArray(offsets) || (Array.isArray(offsets) && offsets.every((each) => typeof each === 'number'));
  if (numbers) return new Float64Array(offsets);
  throw invalidArgument(
    `offsets is ${shown(offsets)}`,
    'give an array of numbers, bytes from the start of the memory on',
  );
}

function isNumberArray(value: unknown): boolean {
  return isTypedArray(value) && !isBigInt64Array(value) && !isBigUint64Array(value);
}

function notMemory(value: unknown): VfioError {
  const hint = 'give a SharedArrayBuffer, an ArrayBuffer or a view; of a WebAssembly.Memory its `buffer`';
  return invalidArgument(`${shown(value)} is not memory`, hint);
}

function addressOf(buffer: ArrayBufferLike): bigint {
  if (!(buffer instanceof SharedArrayBuffer)) return addon.bufferAddress(buffer, 0);
  const known = addresses.get(buffer);
  if (known !== undefined) return known;
  const address = addon.bufferAddress(buffer, 0);
  addresses.set(buffer, address);
  return address;
}

/** A resizable buffer moves no more than another, but what it gives up is gone under the device. */
function keepInPlace(buffer: ArrayBufferLike, byteLength: number): void {
  if (buffer instanceof SharedArrayBuffer) return;
  if ((buffer as ArrayBuffer & { resizable?: boolean }).resizable === true) {
    throw invalidArgument('a resizable ArrayBuffer cannot be mapped', 'use a SharedArrayBuffer');
  }
  // V8 keeps the bytes of small typed arrays on its heap, and moves them.
  if (byteLength < PAGE_SIZE) throw invalidArgument('an ArrayBuffer of less than a page cannot be mapped');
  // That of a WebAssembly memory is not to be marked: Node.js 26 then aborts when the memory grows.
  if (addon.bufferIsDetachable(buffer)) markAsUntransferable(buffer);
}
