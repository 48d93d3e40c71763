import { PAGE_SIZE_BIGINT } from '../native/page-size.js';
import { requireBoolean, requireOptions, requireWhole, shown } from '../base/arguments.js';
import { invalidArgument, VfioError } from '../base/errors.js';
import type { Fd } from '../kernel/kernel.js';
import { addon } from '../native/addon.js';
import { discardUnlessPinned } from './memory/pins.js';
import type { MappingRecord } from './space/mapping-table.js';
import type { SharedMemory } from './memory/shared-memory.js';
import type { AddressSpace } from './space/address-space.js';
import type { SpaceRequest } from './space/space-request.js';

/** Memory that devices reach; it stays so until it is unmapped. Thread: the one that made its space. */
export class DmaMapping {
  readonly #space: AddressSpace;
  #record: MappingRecord | undefined;
  #offset = 0n;

  /** @internal Use `DmaSpace.map`. */
  constructor(space: AddressSpace) {
    this.#space = space;
  }

  /** Where the device finds the first byte. @throws ERR_CLOSED when it is unmapped */
  get iova(): bigint {
    return this.#live().iova + this.#offset;
  }

  /** Bytes mapped, of whole pages. */
  get size(): bigint {
    return this.#live().size;
  }

  /** Where the memory begins in the first page mapped, bytes; 0 unless pages around it are mapped too. */
  get pageOffset(): number {
    this.#live();
    return Number(this.#offset);
  }

  /** Whether devices reach it. */
  get mapped(): boolean {
    return this.#record?.ended === false;
  }

  /** Gives the IOVA of a byte of the memory. @param byteOffset from the first byte on @throws ERR_OUT_OF_RANGE */
  iovaOf(byteOffset: number): bigint {
    const { size, iova } = this.#live();
    if (!Number.isSafeInteger(byteOffset))
      throw invalidArgument(`byteOffset is ${shown(byteOffset)}`, 'give a whole number');
    const offset = this.#offset + BigInt(byteOffset);
    if (byteOffset < 0 || offset >= size) {
      throw new VfioError(`byte ${byteOffset} is outside of the mapping`, { code: 'ERR_OUT_OF_RANGE' });
    }
    return iova + offset;
  }

  /** @internal */
  async map(request: SpaceRequest & { offset: bigint }): Promise<void> {
    this.#offset = request.offset;
    this.#record = await this.#space.map(request, () => this.unmapped());
  }

  /**
   * Takes it away from every device; calls at the same time share the work, later ones find nothing to do. When it
   * fails, the memory stays held, and a later call tries again.
   */
  async unmap(): Promise<void> {
    if (this.#record !== undefined) await this.#space.unmap(this.#record);
    this.#record = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.unmap();
  }

  /**
   * Takes it away from every device and tells which pages they wrote until the very end; only while writes are recorded.
   * @param pageSize bytes, of `dirtyPageSizes` of the space; default the machine's page size
   * @returns a bit a page, the first in bit 0 of byte 0; joined over all devices
   * @throws ERR_CLOSED when it is unmapped, ERR_INVALID_ARGUMENT when nothing records, ERR_NOT_SUPPORTED
   */
  async unmapDirty(pageSize = PAGE_SIZE_BIGINT): Promise<Uint8Array> {
    const dirty = await this.#space.unmapDirty(this.#live(), pageSize);
    this.#record = undefined;
    return dirty;
  }

  /** What follows the unmapping, once, whoever unmaps. */
  protected unmapped(): void {
    // A mapping by itself has nothing more to let go.
  }

  #live(): MappingRecord {
    if (this.#record === undefined || this.#record.ended) {
      throw new VfioError('the memory is unmapped', { code: 'ERR_CLOSED' });
    }
    return this.#record;
  }
}

/** How memory may be discarded. */
export interface DiscardOptions {
  /** Whether the caller knows that the mediated devices have pinned none of it. Counts where all devices are mediated. */
  readonly vouched?: boolean;
}

/** Memory allocated for DMA. */
export class DmaBuffer extends DmaMapping {
  /** The bytes, usable on every thread. They stay readable after `free`, as long as someone holds them. */
  readonly memory: SharedArrayBuffer;
  /** The size of the pages behind it, bytes. */
  readonly pageSize: number;
  #fd: Fd | undefined;

  /** @internal Use `DmaSpace.allocate`. */
  constructor(space: AddressSpace, { buffer, pageSize, fd }: SharedMemory) {
    super(space);
    this.memory = buffer;
    this.pageSize = pageSize;
    this.#fd = fd;
  }

  /** The memfd behind it, the buffer's own; undefined for anonymous memory and once freed. */
  get fd(): Fd | undefined {
    return this.#fd;
  }

  /** Gives the bytes. @throws RangeError for more than a Uint8Array can have: on Node.js 20, 4 GiB */
  get bytes(): Uint8Array {
    return new Uint8Array(this.memory);
  }

  /** Takes the memory away from every device, then lets it go. */
  free(): Promise<void> {
    return this.unmap();
  }

  /**
   * Gives whole pages of the memory back to the machine, as a balloon does: they then read as zeroes. A device that has them
   * pinned would go on with the old ones, so memory that devices reach is refused, unless all of them are mediated and
   * the caller vouches that they have pinned none of it. What other processes map is not seen.
   * @param offset bytes, a multiple of `pageSize`. @param length bytes, likewise
   * @throws EBUSY while devices have it pinned; ERR_INVALID_ARGUMENT, ERR_OUT_OF_RANGE
   */
  async discard(offset: number, length: number, options: DiscardOptions = {}): Promise<void> {
    requireOptions(options);
    const { vouched = false } = options;
    requireBoolean('vouched', vouched);
    requireWhole('offset', offset, Number.MIN_SAFE_INTEGER);
    requireWhole('length', length, Number.MIN_SAFE_INTEGER);
    if (offset % this.pageSize !== 0 || length % this.pageSize !== 0) {
      throw invalidArgument(`only whole pages of ${this.pageSize} bytes can be discarded`);
    }
    if (offset < 0 || length <= 0 || offset + length > this.memory.byteLength) {
      throw new VfioError(`${length} bytes at ${offset} are outside of the buffer`, { code: 'ERR_OUT_OF_RANGE' });
    }
    await discardUnlessPinned(this.memory, { offset, length }, vouched);
  }

  /** @internal */
  closeFd(): void {
    const fd = this.#fd;
    this.#fd = undefined;
    if (fd !== undefined) addon.closeFdSync(fd);
  }

  protected override unmapped(): void {
    this.closeFd();
  }
}

/** A bank of guest memory at its guest address. */
export class MemoryBank extends DmaMapping {
  readonly #onRemoved: () => void;

  /** @internal Use `DmaSpace.addBank`. */
  constructor(space: AddressSpace, onRemoved: () => void) {
    super(space);
    this.#onRemoved = onRemoved;
  }

  /** The guest physical address. */
  get gpa(): bigint {
    return this.iova;
  }

  /** Takes the bank away from every device. */
  remove(): Promise<void> {
    return this.unmap();
  }

  protected override unmapped(): void {
    this.#onRemoved();
  }
}
