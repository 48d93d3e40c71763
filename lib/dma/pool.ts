import { isPowerOfTwo, requireOptions, requireWhole } from '../base/arguments.js';
import { invalidArgument, systemError, VfioError } from '../base/errors.js';
import { Once } from '../base/once.js';
import type { DmaBuffer } from './buffers.js';

/** How a pool is cut. */
export interface DmaPoolShape {
  /** Bytes of one buffer. */
  readonly bufferSize: number;
  /** How many there are. */
  readonly count: number;
  /** Of each buffer in the memory, bytes, a power of two. Default 64, a cache line; buffers are that far apart at least. */
  readonly bufferAlignment?: number;
}

/** A buffer of a pool, for a packet, a queue's entry or a command. It is its pool's and is used again and again. */
export interface DmaPoolBuffer {
  /** 0 to the pool's count - 1; with a pool's memory in another thread, it tells where the buffer is. */
  readonly index: number;
  /** Where the device finds it. */
  readonly iova: bigint;
  /** Where it begins in the pool's memory, bytes. */
  readonly offset: number;
  readonly bytes: Uint8Array<SharedArrayBuffer>;
}

const CACHE_LINE = 64;

/** Gives the distance of the buffers, and checks the shape. @throws ERR_INVALID_ARGUMENT */
export function strideOf(shape: DmaPoolShape): number {
  requireOptions(shape);
  const { bufferSize, count, bufferAlignment = CACHE_LINE } = shape;
  requireWhole('count', count, 1);
  requireWhole('bufferSize', bufferSize, 1);
  requireWhole('bufferAlignment', bufferAlignment, 1);
  if (!isPowerOfTwo(bufferAlignment)) {
    throw invalidArgument(`an alignment is a power of two, not ${bufferAlignment}`);
  }
  return Math.ceil(bufferSize / bufferAlignment) * bufferAlignment;
}

/**
 * Buffers of one size in one mapping: taking one and giving it back cost the same whatever their number, and no system
 * call. The one given last is taken first, as its bytes are in the cache. Thread: the one that made its space; the bytes
 * are usable on all.
 */
export class DmaPool {
  readonly #memory: DmaBuffer;
  readonly #buffers: readonly DmaPoolBuffer[];
  /** The free ones: a stack of indexes. */
  readonly #free: Uint32Array;
  /** 1 for each that is taken. */
  readonly #taken: Uint8Array;
  #available: number;
  readonly #closing = new Once<void>();
  #lastGiven: (() => void) | undefined;

  /** @internal Use `DmaSpace.createPool`. */
  constructor(memory: DmaBuffer, shape: DmaPoolShape) {
    const { bufferSize, count } = shape;
    const stride = strideOf(shape);
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

  /** How many buffers there are. */
  get count(): number {
    return this.#buffers.length;
  }

  /** How many can be taken now. */
  get available(): number {
    return this.#available;
  }

  /** All of the memory, for other threads: `offset` of a buffer is in it. */
  get memory(): SharedArrayBuffer {
    return this.#memory.memory;
  }

  /** The size of the pages behind it, bytes. */
  get pageSize(): number {
    return this.#memory.pageSize;
  }

  /** Takes a buffer, with what it held last in it; undefined when all are taken. @throws ERR_CLOSED */
  take(): DmaPoolBuffer | undefined {
    if (this.#closing.begun !== undefined) throw new VfioError('the pool is closed', { code: 'ERR_CLOSED' });
    if (this.#available === 0) return undefined;
    this.#available -= 1;
    const index = this.#free[this.#available] as number;
    this.#taken[index] = 1;
    return this.#buffers[index];
  }

  /** Gives a buffer back. @throws ERR_INVALID_ARGUMENT for one that is not taken, or is another pool's */
  give(buffer: DmaPoolBuffer): void {
    const { index } = buffer;
    if (this.#buffers[index] !== buffer) throw invalidArgument('the buffer is of another pool');
    if (this.#taken[index] !== 1) throw invalidArgument(`buffer ${index} is not taken`, 'it was given back before');
    this.#taken[index] = 0;
    this.#free[this.#available] = index;
    this.#available += 1;
    if (this.#available === this.count) this.#lastGiven?.();
  }

  /**
   * Unmaps and frees the memory; calls share the work. When unmapping fails, a later call tries again.
   * @param options `wait`: not before the last buffer is given back; none can be taken meanwhile
   * @throws EBUSY while buffers are taken, without `wait`
   */
  close({ wait = false }: { readonly wait?: boolean } = {}): Promise<void> {
    const taken = this.count - this.#available;
    if (taken > 0 && !wait && this.#closing.begun === undefined) {
      const hint = `${taken} of ${this.count} buffers are taken: give them back first, or close with \`wait: true\``;
      return Promise.reject(systemError('EBUSY', 'close', { hint }));
    }
    return this.#closing.run(() => this.#close(taken > 0));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(waits: boolean): Promise<void> {
    if (waits) await new Promise<void>((resolve) => (this.#lastGiven = resolve));
    await this.#memory.free();
  }
}
