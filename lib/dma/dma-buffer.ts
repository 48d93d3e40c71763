import { requireBoolean, requireOptions, requireInteger } from '../base/arguments.js';
import { invalidArgument, VfioError } from '../base/errors.js';
import type { Fd } from '../kernel/kernel.js';
import { addon } from '../native/addon.js';
import { DmaMapping } from './dma-mapping.js';
import { discardUnlessPinned } from './memory/pins.js';
import type { SharedMemory } from './memory/shared-memory.js';
import type { SpaceMappings } from './space/space-mappings.js';

/** How memory may be discarded. */
export interface DiscardOptions {
  /**
   * Whether the caller guarantees that the mediated devices have pinned none of it. Has an effect only if all devices that
   * reach the memory are mediated. Default false.
   */
  readonly vouched?: boolean;
}

/** Memory allocated for DMA. Thread: the one that made its space; the bytes are usable on all threads. */
export class DmaBuffer extends DmaMapping {
  /** The bytes. They stay readable after `free`, as long as any thread references them. */
  readonly memory: SharedArrayBuffer;
  /** The size of the pages that hold the memory, bytes. */
  readonly pageSize: number;
  #fd: Fd | undefined;

  /** @internal Use `DmaSpace.allocate`. */
  constructor(mappings: SpaceMappings, { buffer, pageSize, fd }: SharedMemory) {
    super(mappings);
    this.memory = buffer;
    this.pageSize = pageSize;
    this.#fd = fd;
  }

  /** The memfd that holds the memory, closed by `free`; undefined for anonymous memory, and when freed. */
  get fd(): Fd | undefined {
    return this.#fd;
  }

  /** All bytes. @throws RangeError if a Uint8Array cannot have as many: on Node.js 20, more than 4 GiB */
  get bytes(): Uint8Array {
    return new Uint8Array(this.memory);
  }

  /** Unmaps the memory from every device and closes its memfd. The same as `unmap`. */
  free(): Promise<void> {
    return this.unmap();
  }

  /**
   * Returns whole pages of the memory to the machine, as a balloon does; they then read as zeroes. A device that has them
   * pinned would keep the old pages, so memory that devices reach is rejected, unless all of these devices are mediated
   * and the caller vouches that they have pinned none of it. Mappings of other processes are not considered.
   * @param offset bytes, a multiple of `pageSize`. @param length bytes, a multiple of `pageSize` above 0
   * @throws EBUSY if a device may have it pinned; ERR_INVALID_ARGUMENT; ERR_OUT_OF_RANGE
   */
  async discard(offset: number, length: number, options: DiscardOptions = {}): Promise<void> {
    requireOptions(options);
    const { vouched = false } = options;
    requireBoolean('vouched', vouched);
    requireInteger('offset', offset, Number.MIN_SAFE_INTEGER);
    requireInteger('length', length, Number.MIN_SAFE_INTEGER);
    if (offset % this.pageSize !== 0 || length % this.pageSize !== 0) {
      const must = `must be multiples of the buffer's page size, ${this.pageSize}`;
      throw invalidArgument(`\`offset\` and \`length\` ${must}. Received ${offset} and ${length}`);
    }
    if (offset < 0 || length <= 0 || offset + length > this.memory.byteLength) {
      const must = `must lie in the buffer of ${this.memory.byteLength} bytes`;
      const message = `\`offset\` and \`length\` ${must}. Received ${offset} and ${length}`;
      throw new VfioError(message, { code: 'ERR_OUT_OF_RANGE' });
    }
    await discardUnlessPinned(this.memory, { offset, length }, vouched);
  }

  /** @internal Closes the memfd, if it is open. */
  closeFd(): void {
    const fd = this.#fd;
    this.#fd = undefined;
    if (fd !== undefined) addon.closeFdSync(fd);
  }

  /** @internal */
  override onUnmapped(): void {
    this.closeFd();
  }
}
