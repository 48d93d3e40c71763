/**
 * One operation, 64 bytes, in a lane or in a program. Little endian, as every machine that has VFIO and Node.js is.
 *
 * | offset | bytes | name         | meaning                                                              |
 * |--------|-------|--------------|----------------------------------------------------------------------|
 * | 0      | 1     | op           | `Op`                                                                 |
 * | 1      | 1     | width        | 1, 2, 4 or 8 bytes                                                   |
 * | 2      | 2     | cancelled    | the producer sets 1 to have it answered with ECANCELED if not yet run;|
 * |        |       |              | a poll, a copy and a program stop where they are                     |
 * | 4      | 4     | region       | region handle                                                        |
 * | 8      | 8     | offset       | bytes into the region                                                |
 * | 16     | 8     | value        | to write, to wait for; the worker puts what it read                  |
 * | 24     | 8     | mask         | which bits count (modify, poll); of a program 0: the worker's own    |
 * | 32     | 8     | bufferOffset | bytes into the buffer (copies); a program's modify or poll: its value |
 * | 40     | 4     | buffer       | buffer handle                                                        |
 * | 44     | 4     | length       | bytes (copies)                                                       |
 * | 48     | 8     | deadline     | CLOCK_MONOTONIC in microseconds, 0 for none                          |
 * | 56     | 4     | status       | 0, or a negative errno; written by the worker                        |
 * | 60     | 4     | cookie       | the producer's own                                                   |
 *
 * A program's slot names other slots, `length` bytes of them in a buffer; its value is the first to run, and becomes how many
 * ran. Each of them gets a status of its own. None of them is a program.
 */
export const SLOT = {
  size: 64,
  op: 0,
  width: 1,
  cancelled: 2,
  region: 4,
  offset: 8,
  value: 16,
  mask: 24,
  bufferOffset: 32,
  buffer: 40,
  length: 44,
  deadline: 48,
  status: 56,
} as const;

/** What a slot asks for. */
export const Op = {
  read: 1,
  write: 2,
  modify: 3,
  poll: 4,
  copyOut: 5,
  copyIn: 6,
  barrier: 7,
  doorbell: 8,
  program: 9,
} as const;

/** An operation as the producer has it; what an op does not use is left out. */
export interface Operation {
  readonly op: (typeof Op)[keyof typeof Op];
  readonly width?: number;
  readonly region?: number;
  readonly offset?: number;
  /** Up to 32 bits as a number, 64 as a bigint. */
  readonly value?: number | bigint;
  readonly mask?: number | bigint;
  readonly buffer?: number;
  readonly bufferOffset?: number;
  readonly length?: number;
  /** Microseconds of CLOCK_MONOTONIC; 0 or absent for none. */
  readonly deadline?: number;
}

const HIGH = 2 ** 32;

/** Writes operations into slots and reads their answers, through 32-bit words: 64-bit BigInts are slow. */
export class SlotView {
  readonly #words: Uint32Array;
  readonly #bytes: Uint8Array;

  /** @param start where the first slot is, bytes, a multiple of 4 */
  constructor(
    buffer: ArrayBufferLike,
    private readonly start: number,
  ) {
    this.#words = new Uint32Array(buffer);
    this.#bytes = new Uint8Array(buffer);
  }

  /** Writes slot `index` whole, so that nothing of its last use stays. */
  write(index: number, operation: Operation): void {
    const at = this.start + index * SLOT.size;
    const words = this.#words;
    words[at >> 2] = operation.op | ((operation.width ?? 0) << 8);
    words[(at + SLOT.region) >> 2] = operation.region ?? 0;
    this.#put(at + SLOT.offset, operation.offset ?? 0);
    this.#put(at + SLOT.value, operation.value ?? 0);
    this.#put(at + SLOT.mask, operation.mask ?? 0);
    this.#put(at + SLOT.bufferOffset, operation.bufferOffset ?? 0);
    words[(at + SLOT.buffer) >> 2] = operation.buffer ?? 0;
    words[(at + SLOT.length) >> 2] = operation.length ?? 0;
    this.#put(at + SLOT.deadline, operation.deadline ?? 0);
    words[(at + SLOT.status) >> 2] = 0;
  }

  /**
   * Writes what a read, write or doorbell of up to 32 bits uses of slot `index`: half the stores of `write`, and no object.
   * @param region handle
   * @param offset bytes
   * @param value low 32 bits
   */
  writeAccess(index: number, op: number, width: number, region: number, offset: number, value: number): void {
    const word = (this.start + index * SLOT.size) >> 2;
    const words = this.#words;
    words[word] = op | (width << 8);
    words[word + (SLOT.region >> 2)] = region;
    words[word + (SLOT.offset >> 2)] = offset;
    words[word + (SLOT.offset >> 2) + 1] = offset > 0xffffffff ? Math.floor(offset / HIGH) : 0;
    words[word + (SLOT.value >> 2)] = value;
    words[word + (SLOT.value >> 2) + 1] = 0;
    words[word + (SLOT.deadline >> 2)] = 0;
    words[word + (SLOT.deadline >> 2) + 1] = 0;
  }

  /** Asks that a slot not be run if it has not been; what a copy has copied by then stays. */
  cancel(index: number): void {
    this.#bytes[this.start + index * SLOT.size + SLOT.cancelled] = 1;
  }

  /** The answer: 0, or a negative errno. */
  status(index: number): number {
    return (this.#words[(this.start + index * SLOT.size + SLOT.status) >> 2] ?? 0) | 0;
  }

  /** The low 32 bits of a slot's value. */
  value32(index: number): number {
    return this.#words[(this.start + index * SLOT.size + SLOT.value) >> 2] ?? 0;
  }

  /** All 64 bits of a slot's value. */
  value64(index: number): bigint {
    const at = (this.start + index * SLOT.size + SLOT.value) >> 2;
    return (BigInt(this.#words[at + 1] ?? 0) << 32n) | BigInt(this.#words[at] ?? 0);
  }

  #put(at: number, value: number | bigint): void {
    const word = at >> 2;
    if (typeof value === 'bigint') {
      this.#words[word] = Number(value & 0xffffffffn);
      this.#words[word + 1] = Number((value >> 32n) & 0xffffffffn);
    } else {
      this.#words[word] = value;
      this.#words[word + 1] = value > 0xffffffff ? Math.floor(value / HIGH) : 0;
    }
  }
}
