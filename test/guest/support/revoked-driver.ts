import { VfioError } from '../../../lib/base/errors.js';
import { Program } from '../../../lib/region/program.js';
import type { DriverContext, RegionAccess } from '../../../lib/index.js';

/** What a thread of accesses did; see `WordUser`. */
export interface Tally {
  accesses: number;
  revoked: number;
  /** Values that no write of ours can explain: must stay 0. */
  wrong: number;
}

interface Words {
  readonly read: (offset: number) => number;
  readonly write: (offset: number, value: number) => void;
}

interface AsyncWords {
  readonly read: (offset: number) => Promise<number>;
  readonly write: (offset: number, value: number) => Promise<void>;
}

/**
 * Uses a word of a device's memory, which keeps what is written: counts values that no write explains. A write that was refused may or may not
 * have reached the device.
 */
export class WordUser {
  readonly tally: Tally = { accesses: 0, revoked: 0, wrong: 0 };
  #possible = new Set<number>([0]);
  #next = 1;

  constructor(readonly offset: number) {}

  /** Writes a new value and reads it back by checked accesses. */
  useChecked({ read, write }: Words): void {
    const value = this.#begin();
    this.#count(
      () => write(this.offset, value),
      () => this.#written(value),
    );
    let seen = 0;
    this.#count(
      () => (seen = read(this.offset)),
      () => this.#seen(seen),
    );
  }

  /** The same by accesses that are awaited. */
  async useLater({ read, write }: AsyncWords): Promise<void> {
    const value = this.#begin();
    await this.#countLater(write(this.offset, value), () => this.#written(value));
    await this.#countLater(read(this.offset), (seen) => this.#seen(seen));
  }

  /** Reads by a raw view: what was written, or all ones. */
  look(view: Uint32Array): void {
    this.tally.accesses += 1;
    const seen = view[this.offset / 4] ?? 0;
    if (seen !== 0xffff_ffff && !this.#possible.has(seen)) this.tally.wrong += 1;
  }

  #begin(): number {
    this.#possible.add(this.#next);
    this.#next += 1;
    return this.#next - 1;
  }

  #written(value: number): void {
    this.#possible = new Set([value]);
  }

  #seen(value: number): void {
    if (this.#possible.has(value)) this.#possible = new Set([value]);
    else this.tally.wrong += 1;
  }

  #count(access: () => void, done: () => void): void {
    this.tally.accesses += 1;
    try {
      access();
    } catch (error) {
      this.#refused(error);
      return;
    }
    done();
  }

  async #countLater<T>(access: Promise<T>, done: (value: T) => void): Promise<void> {
    this.tally.accesses += 1;
    try {
      done(await access);
    } catch (error) {
      this.#refused(error);
    }
  }

  #refused(error: unknown): void {
    if (!(error instanceof VfioError) || error.code !== 'ERR_REVOKED') throw error;
    this.tally.revoked += 1;
  }
}

/** `args` of the driver. `buffers.control` has two words: a flag that stops it, and how often it has gone round. */
export interface RevokedDriverArgs {
  readonly regionIndex: number;
  readonly offset: number;
}

/** Uses two words of a region until it is told to stop: one by the accessor and a view, one by programs. */
export default function revokedDriver(context: DriverContext): Tally {
  const { buffers, args } = context;
  const { regionIndex, offset } = args as RevokedDriverArgs;
  const access = context.region(regionIndex);
  const control = new Int32Array(buffers['control'] as SharedArrayBuffer);
  const bytes = access.areas[0]?.view;
  if (bytes === undefined) throw new Error('it is not mapped');
  const view = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  const byAccessor = new WordUser(offset);
  const byProgram = new WordUser(offset + 4);
  const checked = {
    read: (at: number) => access.read32(at),
    write: (at: number, value: number) => access.write32(at, value),
  };
  const programs = programsOf(access);
  while (Atomics.load(control, 0) === 0) {
    for (let round = 0; round < 16; round += 1) {
      byAccessor.useChecked(checked);
      byAccessor.look(view);
    }
    byProgram.useChecked(programs);
    Atomics.add(control, 1, 1);
  }
  return sum(byAccessor.tally, byProgram.tally);
}

function programsOf(access: RegionAccess): Words {
  return {
    read: (offset) => {
      const program = new Program(access);
      const step = program.read32(offset);
      program.run();
      return program.value(step);
    },
    write: (offset, value) => {
      const program = new Program(access);
      program.write32(offset, value);
      program.run();
    },
  };
}

/** Adds tallies up. */
export function sum(...tallies: readonly Tally[]): Tally {
  const add = (one: Tally, other: Tally): Tally => ({
    accesses: one.accesses + other.accesses,
    revoked: one.revoked + other.revoked,
    wrong: one.wrong + other.wrong,
  });
  return tallies.reduce(add);
}
