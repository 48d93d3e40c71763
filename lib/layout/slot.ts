/**
 * The layout of one operation, 64 bytes, in a lane or in a program. Little endian, like all machines with VFIO and Node.js.
 *
 * | offset | bytes | name         | meaning                                                              |
 * |--------|-------|--------------|----------------------------------------------------------------------|
 * | 0      | 1     | op           | `Op`                                                                 |
 * | 1      | 1     | width        | 1, 2, 4 or 8 bytes                                                   |
 * | 2      | 2     | cancelled    | the producer sets 1 to cancel it: ECANCELED if it did not run yet;   |
 * |        |       |              | a poll, a copy and a program stop where they are                     |
 * | 4      | 4     | region       | the region's number in the lane or the program                       |
 * | 8      | 8     | offset       | bytes into the region                                                |
 * | 16     | 8     | value        | to write, or to poll for; the worker writes here what it read        |
 * | 24     | 8     | mask         | the bits that count (modify, poll); 0 in a program: for the worker   |
 * | 32     | 8     | bufferOffset | bytes into the buffer (copies); the value of a program's modify, poll|
 * | 40     | 4     | buffer       | the low half of the buffer's number in the lane or the program       |
 * | 44     | 4     | length       | bytes (copies)                                                       |
 * | 48     | 8     | deadline     | CLOCK_MONOTONIC in microseconds, 0 for none                          |
 * | 56     | 4     | status       | 0, or a negative errno; written by the worker                        |
 * | 60     | 4     | bufferHigh   | the high half of the buffer's number                                 |
 *
 * The slot of a program names other slots: `length` bytes of them in a buffer. Its value is the number of the first one to
 * run, and then the number of slots that ran. Each of these slots gets its own status, and must not be a program.
 *
 * A number of a region or a buffer names what the pool's thread gave to this lane or program, and nothing else. No number is
 * given twice. One that was never given is answered with EACCES, one of a closed region with EBADF.
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
  bufferHigh: 60,
} as const;

/** The operations. */
export const Op = {
  /** Reads a value. */
  read: 1,
  /** Writes a value. */
  write: 2,
  /** Reads a value, changes the bits of a mask, and writes it. */
  modify: 3,
  /** Reads again and again until the bits of a mask have a value. */
  poll: 4,
  /** Copies from the region to a buffer. */
  copyOut: 5,
  /** Copies from a buffer to the region. */
  copyIn: 6,
  /** Orders earlier memory accesses before later ones. */
  barrier: 7,
  /** Writes a value after all earlier memory accesses. */
  doorbell: 8,
  /** Runs a program. */
  program: 9,
} as const;

/** An operation as the producer writes it. Members that the operation does not use are left out. */
export interface Operation {
  /** One of `Op`. */
  readonly op: (typeof Op)[keyof typeof Op];
  /** Bytes of one access: 1, 2, 4 or 8. */
  readonly width?: number;
  /** The region's number in the lane: `pool.addRegion(lane, region)`. */
  readonly region?: number;
  /** Bytes into the region. */
  readonly offset?: number;
  /** What is written or polled for. Up to 32 bits as a number, 64 bits as a bigint. */
  readonly value?: number | bigint;
  /** The bits of a modify or a poll. Up to 32 bits as a number, 64 bits as a bigint. */
  readonly mask?: number | bigint;
  /** The number of a copy's buffer in the lane: `pool.addBuffer(lane, buffer)`. */
  readonly buffer?: number;
  /** Bytes into the buffer of a copy. */
  readonly bufferOffset?: number;
  /** Bytes of a copy. */
  readonly length?: number;
  /** When a poll gives up: microseconds of CLOCK_MONOTONIC; 0 or absent for never. */
  readonly deadline?: number;
}

const WORD_RANGE = 2 ** 32;

/** Returns the bits of an integer above its low 32, which a typed array of words stores by themselves. */
export function highWord(value: number): number {
  return value > 0xffffffff ? Math.floor(value / WORD_RANGE) : 0;
}

/** Writes operations into slots and reads their answers, in words of 32 bits because bigints are slow. */
export class SlotView {
  readonly #words: Uint32Array;
  readonly #bytes: Uint8Array;

  /** @param buffer the memory that holds the slots @param start bytes before the first slot, a multiple of 4 */
  constructor(
    buffer: ArrayBufferLike,
    private readonly start: number,
  ) {
    this.#words = new Uint32Array(buffer);
    this.#bytes = new Uint8Array(buffer);
  }

  /** Writes all of slot `index`, so that nothing of its last use is left. */
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
    words[(at + SLOT.bufferHigh) >> 2] = highWord(operation.buffer ?? 0);
    words[(at + SLOT.length) >> 2] = operation.length ?? 0;
    this.#put(at + SLOT.deadline, operation.deadline ?? 0);
    words[(at + SLOT.status) >> 2] = 0;
  }

  /**
   * Writes the part of slot `index` that a read, write or doorbell of up to 32 bits uses: half the stores of `write`, and no
   * object.
   * @param region the region's number in the lane
   * @param offset bytes
   * @param value low 32 bits
   */
  writeAccess(index: number, op: number, width: number, region: number, offset: number, value: number): void {
    const word = (this.start + index * SLOT.size) >> 2;
    const words = this.#words;
    words[word] = op | (width << 8);
    words[word + (SLOT.region >> 2)] = region;
    words[word + (SLOT.offset >> 2)] = offset;
    words[word + (SLOT.offset >> 2) + 1] = highWord(offset);
    words[word + (SLOT.value >> 2)] = value;
    words[word + (SLOT.value >> 2) + 1] = 0;
    words[word + (SLOT.deadline >> 2)] = 0;
    words[word + (SLOT.deadline >> 2) + 1] = 0;
  }

  /** Cancels the operation in slot `index` if it has not run. A copy keeps what it copied. */
  cancel(index: number): void {
    this.#bytes[this.start + index * SLOT.size + SLOT.cancelled] = 1;
  }

  /** Reads the status of slot `index`: 0, or a negative errno. */
  status(index: number): number {
    return (this.#words[(this.start + index * SLOT.size + SLOT.status) >> 2] ?? 0) | 0;
  }

  /** Reads the low 32 bits of the value of slot `index`. */
  value32(index: number): number {
    return this.#words[(this.start + index * SLOT.size + SLOT.value) >> 2] ?? 0;
  }

  /** Reads all 64 bits of the value of slot `index`. */
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
      this.#words[word + 1] = highWord(value);
    }
  }
}
