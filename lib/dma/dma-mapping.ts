import { requireInteger } from '../base/arguments.js';
import { VfioError } from '../base/errors.js';
import { PAGE_SIZE_BIGINT } from '../native/page-size.js';
import type { MappingRecord } from './space/mapping-table.js';
import type { SpaceMappings } from './space/space-mappings.js';

/** Memory that devices reach until it is unmapped. Thread: the one that made its space. */
export class DmaMapping {
  readonly #mappings: SpaceMappings;
  #record: MappingRecord | undefined;

  /** @internal Use `DmaSpace.map`. */
  constructor(mappings: SpaceMappings) {
    this.#mappings = mappings;
  }

  /** The IOVA of the first byte. @throws ERR_CLOSED if it is unmapped */
  get iova(): bigint {
    const { iova, memory } = this.#live();
    return iova + memory.offset;
  }

  /** The number of bytes mapped, whole pages. @throws ERR_CLOSED if it is unmapped */
  get size(): bigint {
    return this.#live().size;
  }

  /** Where the memory begins in the first page, bytes; 0 unless it was mapped with `surroundings`. @throws ERR_CLOSED */
  get pageOffset(): number {
    return Number(this.#live().memory.offset);
  }

  /** Whether devices reach it. */
  get mapped(): boolean {
    return this.#record?.ended === false;
  }

  /**
   * Returns the IOVA of a byte of the memory.
   * @param byteOffset from the first byte of the memory
   * @throws ERR_CLOSED if it is unmapped; ERR_OUT_OF_RANGE if the byte is outside of the mapping; ERR_INVALID_ARGUMENT
   */
  iovaOf(byteOffset: number): bigint {
    const { size, iova, memory } = this.#live();
    requireInteger('byteOffset', byteOffset, Number.MIN_SAFE_INTEGER);
    const offset = memory.offset + BigInt(byteOffset);
    if (byteOffset < 0 || offset >= size) {
      const message = `\`byteOffset\` must be from 0 to ${size - memory.offset - 1n}, inside the mapping. Received ${byteOffset}`;
      throw new VfioError(message, { code: 'ERR_OUT_OF_RANGE' });
    }
    return iova + offset;
  }

  /** @internal Takes the record of the memory, which is mapped. Called once. */
  begin(record: MappingRecord): void {
    this.#record = record;
  }

  /**
   * Unmaps the memory from every device. Calls at the same time share the work; later calls do nothing. If it fails, the
   * memory is not released, and a later call tries again.
   * @throws the errors of the kernel
   */
  async unmap(): Promise<void> {
    if (this.#record !== undefined) await this.#mappings.unmap(this.#record);
    this.#record = undefined;
  }

  /** Unmaps the memory at the end of an `await using` block. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.unmap();
  }

  /**
   * Unmaps the memory from every device and returns the pages that devices wrote until then. Dirty tracking must be on.
   * @param pageSize bytes, one of `dirtyPageSizes` of the space. Default: the machine's page size
   * @returns a bit per page, the first in bit 0 of byte 0; joined over all devices
   * @throws ERR_CLOSED if it is unmapped; ERR_INVALID_ARGUMENT if dirty tracking is off; ERR_NOT_SUPPORTED
   */
  async unmapDirty(pageSize = PAGE_SIZE_BIGINT): Promise<Uint8Array> {
    const dirty = await this.#mappings.unmapDirty(this.#live(), pageSize);
    this.#record = undefined;
    return dirty;
  }

  /** @internal Called once when no device reaches the memory any more, by whichever call it was unmapped. */
  onUnmapped(): void {
    // A mapping of the user's memory owns nothing that must be released.
  }

  #live(): MappingRecord {
    if (this.#record === undefined || this.#record.ended) {
      throw new VfioError('the memory is unmapped', { code: 'ERR_CLOSED' });
    }
    return this.#record;
  }
}
