import { highWord, type Operation, Op, SLOT } from '../layout/slot.js';
import { addon } from '../native/addon.js';
import type { ProgramHandle } from '../native/lane.js';

/** The slots of a program, one a step (lib/layout/slot.ts), seen in three ways. */
export interface ProgramSlots {
  /** The program that native code runs. */
  readonly program: ProgramHandle;
  readonly bytes: Uint8Array<SharedArrayBuffer>;
  readonly words: Uint32Array;
  readonly longs: BigUint64Array;
}

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

/** Allocates the slots of `capacity` steps. */
export function allocateSlots(capacity: number): ProgramSlots {
  const memory = new SharedArrayBuffer(capacity * SLOT.size);
  const program = addon.programCreate(memory);
  return { program, bytes: new Uint8Array(memory), words: new Uint32Array(memory), longs: new BigUint64Array(memory) };
}

// What only some steps have. Members that a step does not use keep old values. `Program` writes itself what each step has,
// because a call of another module, or a constant of it, costs a tenth of what adding a step does.

/**
 * Writes the mask and the value of a modify or a poll. The value goes where copies have `bufferOffset`: `value` is where native
 * code puts what it read, and the program may run again.
 */
export function writeCondition(slots: ProgramSlots, step: number, mask: number | bigint, value: number | bigint): void {
  writeLong(slots, step, SLOT.bufferOffset, value);
  writeLong(slots, step, SLOT.mask, mask);
}

/** Writes the deadline of a poll. @param microseconds of CLOCK_MONOTONIC; 0 for none */
export function writeDeadline(slots: ProgramSlots, step: number, microseconds: number): void {
  writeLong(slots, step, SLOT.deadline, microseconds);
}

/** Writes the range of a copy in its buffer. @param buffer its number in the program @param bufferOffset bytes @param length bytes */
export function writeCopy(
  slots: ProgramSlots,
  step: number,
  buffer: number,
  bufferOffset: number,
  length: number,
): void {
  slots.words[(step * SLOT.size + SLOT.length) / 4] = length;
  slots.words[(step * SLOT.size + SLOT.buffer) / 4] = buffer;
  slots.words[(step * SLOT.size + SLOT.bufferHigh) / 4] = highWord(buffer);
  writeLong(slots, step, SLOT.bufferOffset, bufferOffset);
}

/** Reads back what a step does. */
export function readStep({ bytes, words, longs }: ProgramSlots, step: number): StepFacts {
  const at = step * SLOT.size;
  const op = bytes[at + SLOT.op] as Operation['op'];
  const width = bytes[at + SLOT.width] as number;
  const isCopy = op === Op.copyOut || op === Op.copyIn;
  return {
    op,
    width,
    offset: Number(longs[(at + SLOT.offset) / 8]),
    length: isCopy ? (words[(at + SLOT.length) / 4] as number) : width,
  };
}

function writeLong({ words, longs }: ProgramSlots, step: number, member: number, value: number | bigint): void {
  const at = step * SLOT.size + member;
  if (typeof value === 'bigint') {
    longs[at / 8] = value;
  } else {
    words[at / 4] = value;
    words[at / 4 + 1] = highWord(value);
  }
}
