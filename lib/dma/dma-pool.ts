import { argumentError, isPowerOfTwo, requireOptions, requireInteger } from '../base/arguments.js';
import { invalidArgument, systemError, VfioError } from '../base/errors.js';
import { Once } from '../base/once.js';
import type { DmaBuffer } from './dma-buffer.js';

/** The size and number of the buffers of a pool. */
export interface DmaPoolShape {
  /** The size of one buffer, bytes. */
  readonly bufferSize: number;
  /** The number of buffers. */
  readonly count: number;
  /**
   * The alignment of each buffer in the memory, bytes, a power of two; buffers are at least that far apart. Default 64, a
   * cache line.
   */
  readonly bufferAlignment?: number;
}

/** A buffer of a pool, for a packet, a queue entry or a command. It belongs to its pool and is used again and again. */
export interface DmaPoolBuffer {
  /** 0 to the pool's count - 1. A thread that has the pool's memory finds the buffer by it. */
  readonly index: number;
  /** Where the device finds it. */
  readonly iova: bigint;
  /** Where it begins in the pool's memory, bytes. */
  readonly offset: number;
  /** The buffer's memory. */
  readonly bytes: Uint8Array<SharedArrayBuffer>;
}

const CACHE_LINE = 64;

/** Checks the shape. @returns the distance of the buffers, bytes @throws ERR_INVALID_ARGUMENT */
export function poolStride(shape: DmaPoolShape): number {
  requireOptions(shape);
  const { bufferSize, count, bufferAlignment = CACHE_LINE } = shape;
  requireInteger('count', count, 1);
  requireInteger('bufferSize', bufferSize, 1);
  requireInteger('bufferAlignment', bufferAlignment, 1);
  if (!isPowerOfTwo(bufferAlignment)) {
    throw argumentError('bufferAlignment', 'a power of two', bufferAlignment);
  }
  return Math.ceil(bufferSize / bufferAlignment) * bufferAlignment;
}

/**
 * Buffers of one size in one mapping. Taking a buffer and giving it back cost the same for any number of buffers, and no
 * system call. The buffer that was given back last is taken first, because its bytes are in the cache. Thread: the one that
 * made its space; the bytes are usable on all threads.
 */
export class DmaPool {
  readonly #memory: DmaBuffer;
  readonly #buffers: readonly DmaPoolBuffer[];
  /** The indexes of the free buffers: a stack. */
  readonly #free: Uint32Array;
  /** 1 for each buffer that is taken. */
  readonly #taken: Uint8Array;
  #available: number;
  readonly #closing = new Once<void>();
  #onLastGiven: (() => void) | undefined;

  private constructor(memory: DmaBuffer, shape: DmaPoolShape) {
    const { bufferSize, count } = shape;
    const stride = poolStride(shape);
    this.#memory = memory;
    this.#buffers = Array.from({ length: count }, (_, index) => ({
      index,
      iova: memory.iova + BigInt(index * stride),
      offset: index * stride,
      bytes: new Uint8Array(memory.memory, index * stride, bufferSize),
    }));
    this.#free = Uint32Array.from({ length: count }, (_, index) => count - 1 - index);
    this.#taken = new Uint8Array(count);
    this.#available = count;
  }

  /** @internal Use `DmaSpace.createPool`. */
  static create(memory: DmaBuffer, shape: DmaPoolShape): DmaPool {
    return new DmaPool(memory, shape);
  }

  /** The number of buffers. */
  get count(): number {
    return this.#buffers.length;
  }

  /** The number of buffers that can be taken now. */
  get available(): number {
    return this.#available;
  }

  /** All of the memory, for other threads; `offset` of a buffer tells its place. */
  get memory(): SharedArrayBuffer {
    return this.#memory.memory;
  }

  /** The size of the pages that hold the memory, bytes. */
  get pageSize(): number {
    return this.#memory.pageSize;
  }

  /** Takes a buffer, with the bytes of its last use. @returns undefined if all are taken @throws ERR_CLOSED */
  take(): DmaPoolBuffer | undefined {
    if (this.#closing.begun !== undefined) throw new VfioError('the pool is closed', { code: 'ERR_CLOSED' });
    if (this.#available === 0) return undefined;
    this.#available -= 1;
    const index = this.#free[this.#available] as number;
    this.#taken[index] = 1;
    return this.#buffers[index];
  }

  /** Gives a buffer back. @throws ERR_INVALID_ARGUMENT if it is not taken, or belongs to another pool */
  give(buffer: DmaPoolBuffer): void {
    const { index } = buffer;
    if (this.#buffers[index] !== buffer) throw invalidArgument('`buffer` must be a buffer of this pool');
    if (this.#taken[index] !== 1) throw invalidArgument(`buffer ${index} is not taken`, 'it was given back before');
    this.#taken[index] = 0;
    this.#free[this.#available] = index;
    this.#available += 1;
    if (this.#available === this.count) this.#onLastGiven?.();
  }

  /**
   * Unmaps and frees the memory. Calls share the work; if unmapping fails, a later call tries again.
   * @param options `wait`: whether to wait until the last buffer is given back; none can be taken meanwhile. Default false
   * @throws EBUSY if buffers are taken and `wait` is false
   */
  close({ wait = false }: { readonly wait?: boolean } = {}): Promise<void> {
    const taken = this.count - this.#available;
    if (taken > 0 && !wait && this.#closing.begun === undefined) {
      const hint = `${taken} of ${this.count} buffers are taken: give them back first, or close with \`wait: true\``;
      return Promise.reject(systemError('EBUSY', 'close', { hint }));
    }
    return this.#closing.run(() => this.#close(taken > 0));
  }

  /** Closes the pool at the end of an `await using` block. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(waits: boolean): Promise<void> {
    if (waits) await new Promise<void>((resolve) => (this.#onLastGiven = resolve));
    await this.#memory.free();
  }
}
