import { highWord, type Operation, Op, SLOT } from '../layout/slot.js';
import { ECANCELED } from '../uapi/errno.js';

// Offsets in a slot, counted in words of 32 bits.
const WORDS = SLOT.size / 4;
const REGION = SLOT.region / 4;
const OFFSET = SLOT.offset / 4;
const VALUE = SLOT.value / 4;
const MASK = SLOT.mask / 4;
const BUFFER_OFFSET = SLOT.bufferOffset / 4;
const BUFFER = SLOT.buffer / 4;
const LENGTH = SLOT.length / 4;
const DEADLINE = SLOT.deadline / 4;
const STATUS = SLOT.status / 4;
/** Where a modify and a poll have their value. The worker writes what it read to VALUE, so the step can run again. */
const INPUT = BUFFER_OFFSET;

/** What a step does, for an error's message. */
export interface StepFacts {
  readonly op: Operation['op'];
  /** Bytes of one access. */
  readonly width: number;
  /** Bytes into the region. */
  readonly offset: number;
  /** Bytes of all accesses. */
  readonly length: number;
}

/**
 * The memory of a program: one slot a step (lib/layout/slot.ts). A step is written in pieces, because most steps need only
 * the first one. Members that a step does not use keep old values.
 */
export class ProgramMemory {
  /** The slots, as native code takes them. */
  readonly bytes: Uint8Array<SharedArrayBuffer>;
  readonly #words: Uint32Array;
  readonly #longs: BigUint64Array;

  /** @param capacity steps */
  constructor(capacity: number) {
    const memory = new SharedArrayBuffer(capacity * SLOT.size);
    this.bytes = new Uint8Array(memory);
    this.#words = new Uint32Array(memory);
    this.#longs = new BigUint64Array(memory);
  }

  /**
   * Writes what every step has.
   * @param region handle
   * @param offset bytes into the region
   */
  writeStep(step: number, op: number, width: number, region: number, offset: number): void {
    const words = this.#words;
    const at = step * WORDS;
    words[at] = op | (width << 8);
    words[at + REGION] = region;
    words[at + OFFSET] = offset;
    words[at + OFFSET + 1] = highWord(offset);
  }

  /** Writes the value of a write of up to 32 bits. */
  writeValue(step: number, value: number): void {
    const at = step * WORDS + VALUE;
    this.#words[at] = value;
    this.#words[at + 1] = 0;
  }

  /** Writes the value of a write of 64 bits. */
  writeLongValue(step: number, value: bigint): void {
    this.#longs[(step * WORDS + VALUE) / 2] = value;
  }

  /** Writes the mask and the value of a modify or a poll. */
  writeCondition(step: number, mask: number | bigint, value: number | bigint): void {
    this.#put(step, INPUT, value);
    this.#put(step, MASK, mask);
  }

  /** Writes the deadline of a poll. @param microseconds of CLOCK_MONOTONIC; 0 for none */
  writeDeadline(step: number, microseconds: number): void {
    this.#put(step, DEADLINE, microseconds);
  }

  /** Writes the range of a copy in its buffer. @param buffer handle @param bufferOffset bytes @param length bytes */
  writeCopy(step: number, buffer: number, bufferOffset: number, length: number): void {
    this.#words[step * WORDS + LENGTH] = length;
    this.#words[step * WORDS + BUFFER] = buffer;
    this.#put(step, BUFFER_OFFSET, bufferOffset);
  }

  /** Gives the first steps the status of a step that did not run. */
  markNotRun(steps: number): void {
    for (let step = 0; step < steps; step++) this.#words[step * WORDS + STATUS] = -ECANCELED;
  }

  /** Reads a step's status: 0, or a negative errno. */
  status(step: number): number {
    return (this.#words[step * WORDS + STATUS] ?? -ECANCELED) | 0;
  }

  /** Reads the low 32 bits of a step's value. */
  value(step: number): number {
    return this.#words[step * WORDS + VALUE] ?? 0;
  }

  /** Reads all 64 bits of a step's value. */
  longValue(step: number): bigint {
    return this.#longs[(step * WORDS + VALUE) / 2] ?? 0n;
  }

  /** Reads back what a step does. */
  factsOf(step: number): StepFacts {
    const op = this.bytes[step * SLOT.size] as Operation['op'];
    const width = this.bytes[step * SLOT.size + SLOT.width] as number;
    const isCopy = op === Op.copyOut || op === Op.copyIn;
    return {
      op,
      width,
      offset: Number(this.#longs[(step * WORDS + OFFSET) / 2]),
      length: isCopy ? (this.#words[step * WORDS + LENGTH] as number) : width,
    };
  }

  #put(step: number, word: number, value: number | bigint): void {
    const at = step * WORDS + word;
    if (typeof value === 'bigint') {
      this.#longs[at / 2] = value;
    } else {
      this.#words[at] = value;
      this.#words[at + 1] = highWord(value);
    }
  }
}
