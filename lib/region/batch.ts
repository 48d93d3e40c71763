import { isObject, requireBits, shown } from '../base/arguments.js';
import { invalidArgument } from '../base/errors.js';
import { checkAccess, type Width } from './checks.js';
import type { RegionDescriptor } from './descriptor.js';
import { Program, type ProgramTarget } from './program.js';

/** One step of a batch. */
export type BatchStep =
  | { readonly read: number; readonly width: Width }
  | {
      readonly write: number;
      readonly width: Width;
      /** Whole; its low bits are written, as many as the access has. */
      readonly value: number | bigint;
    };

/** Adds a step. @throws what `checkAccess` throws, ERR_INVALID_ARGUMENT for what is none; before anything is run */
export function addStep(program: Program, region: RegionDescriptor, step: BatchStep): void {
  if (!isObject(step)) {
    throw invalidArgument(`a step is ${shown(step)}`, 'give { read, width } or { write, width, value }');
  }
  const write = 'write' in step;
  const offset = write ? step.write : step.read;
  checkAccess(region, offset, step.width, step.width, write);
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
    if (typeof value === 'number') requireBits('value', value);
    program.write64(offset, typeof value === 'number' ? BigInt(value) : value);
    return;
  }
  const bits = typeof value === 'bigint' ? Number(BigInt.asUintN(32, value)) : value;
  if (width === 1) program.write8(offset, bits);
  else if (width === 2) program.write16(offset, bits);
  else program.write32(offset, bits);
}

/** How many programs wait for the next batch, and how large they may be: a few of a usual size. */
const KEPT = 4;
const LARGEST_KEPT = 4096;
const SMALLEST = 64;

/** The programs of a region's batches, used again: making one costs more than many steps do. */
export class BatchPrograms {
  readonly #free: Program[] = [];

  constructor(private readonly region: ProgramTarget) {}

  /** Gives an empty program with room for so many steps. */
  take(steps: number): Program {
    const index = this.#free.findIndex((program) => program.capacity >= steps);
    const [known] = index < 0 ? [] : this.#free.splice(index, 1);
    return known?.clear() ?? new Program(this.region, Math.max(SMALLEST, 2 ** Math.ceil(Math.log2(steps))));
  }

  /** Takes one back whose run has ended. */
  give(program: Program): void {
    if (this.#free.length < KEPT && program.capacity <= LARGEST_KEPT) this.#free.push(program);
  }
}
