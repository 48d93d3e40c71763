import { VfioError } from '../errors.js';
import type { Fd } from '../kernel/kernel.js';
import { addon } from '../native/addon.js';
import type { MappingRecord } from './mapping-table.js';
import type { SharedMemory } from './memory.js';
import type { AddressSpace, SpaceRequest } from './space.js';

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

  /** Whether devices reach it. */
  get mapped(): boolean {
    return this.#record?.ended === false;
  }

  /** Gives the IOVA of a byte of the memory. @param byteOffset from the first byte on */
  iovaOf(byteOffset: number): bigint {
    const { size, iova } = this.#live();
    const offset = this.#offset + BigInt(byteOffset);
    if (byteOffset < 0 || offset >= size) {
      throw new VfioError(`byte ${byteOffset} is outside of the mapping`, { code: 'ERR_OUT_OF_RANGE' });
    }
    return iova + offset;
  }

  /** @internal */
  async map(request: SpaceRequest & { offset: bigint }): Promise<void> {
    this.#offset = request.offset;
    this.#record = await this.#space.map(request);
  }

  /**
   * Takes it away from every device; calls at the same time share the work, later ones find nothing to do. When it
   * fails, the memory stays held, and a later call tries again.
   */
  async unmap(): Promise<void> {
    const record = this.#record;
    if (record === undefined) return;
    await this.#space.unmap(record);
    if (this.#record === undefined) return;
    this.#record = undefined;
    this.unmapped();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.unmap();
  }

  /** What follows the unmapping, once. */
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

  /** Gives the bytes. */
  get bytes(): Uint8Array {
    return new Uint8Array(this.memory);
  }

  /** Takes the memory away from every device, then lets it go. */
  free(): Promise<void> {
    return this.unmap();
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
