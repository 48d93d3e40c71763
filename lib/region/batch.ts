import { argumentError, isObject, requireBits } from '../base/arguments.js';
import { checkRegionAccess, type Width } from './access-checks.js';
import type { RegionDescriptor } from './descriptor.js';
import { Program, type ProgramTarget } from './program.js';

/** A step of a batch: a read or a write at an offset, which is bytes into the region. */
export type BatchStep =
  | { readonly read: number; readonly width: Width }
  | {
      readonly write: number;
      readonly width: Width;
      /** An integer or a bigint, of which the low bits are written. */
      readonly value: number | bigint;
    };

/**
 * Adds a step of a batch to a program.
 * @throws ERR_INVALID_ARGUMENT if `step` is not an object or its value is wrong; what `checkRegionAccess` throws
 */
export function addStep(program: Program, region: RegionDescriptor, step: BatchStep): void {
  if (!isObject(step)) throw argumentError('step', '{ read, width } or { write, width, value }', step);
  const write = 'write' in step;
  const offset = write ? step.write : step.read;
  checkRegionAccess(region, offset, step.width, step.width, write);
  if (write) addWrite(program, offset, step.width, step.value);
  else addRead(program, offset, step.width);
}

function addRead(program: Program, offset: number, width: Width): void {
  if (width === 1) program.read8(offset);
  else if (width === 2) program.read16(offset);
  else if (width === 4) program.read32(offset);
  else program.read64(offset);
}

function addWrite(program: Program, offset: number, width: Width, value: number | bigint): void {
  if (width === 8) {
    if (typeof value !== 'bigint') requireBits('value', value);
    program.write64(offset, BigInt(value));
    return;
  }
  const bits = typeof value === 'bigint' ? Number(BigInt.asUintN(32, value)) : value;
  if (width === 1) program.write8(offset, bits);
  else if (width === 2) program.write16(offset, bits);
  else program.write32(offset, bits);
}

/** How many unused programs are kept. */
const MOST_KEPT = 4;
/** The largest program that is kept, steps. */
const LARGEST_KEPT = 4096;
/** The smallest program that is created, steps. */
const SMALLEST = 64;

/** Keeps the programs of a region's batches for the next batch. Creating a program costs more than many steps. */
export class BatchPrograms {
  readonly #free: Program[] = [];

  /** @param region the region of the steps */
  constructor(private readonly region: ProgramTarget) {}

  /** Returns an empty program with room for a number of steps. */
  take(steps: number): Program {
    const index = this.#free.findIndex((program) => program.capacity >= steps);
    const [known] = index < 0 ? [] : this.#free.splice(index, 1);
    return known?.clear() ?? new Program(this.region, Math.max(SMALLEST, 2 ** Math.ceil(Math.log2(steps))));
  }

  /** Takes back a program whose run has ended. */
  give(program: Program): void {
    if (this.#free.length < MOST_KEPT && program.capacity <= LARGEST_KEPT) this.#free.push(program);
  }
}
