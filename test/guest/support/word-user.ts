import { VfioError } from '../../../lib/base/errors.js';

/** What the accesses of one thread met; see `WordUser`. */
export interface Tally {
  accesses: number;
  /** Accesses that failed with ERR_REVOKED. */
  revoked: number;
  /** Accesses that failed with ERR_CLOSED. */
  closed: number;
  /** Values that neither a write of ours nor an absent device explains: must stay 0. */
  wrong: number;
}

export interface Words {
  readonly read: (offset: number) => number;
  readonly write: (offset: number, value: number) => void;
}

export interface AsyncWords {
  readonly read: (offset: number) => Promise<number>;
  readonly write: (offset: number, value: number) => Promise<void>;
}

/**
 * Accesses one word of a device and counts the values that nothing explains. The word either keeps what is written to it and is 0 at
 * first, or it is a register that is never written and always reads as one of `constants`. A refused write may have reached the device.
 */
export class WordUser {
  readonly tally: Tally = { accesses: 0, revoked: 0, closed: 0, wrong: 0 };
  readonly #constants: ReadonlySet<number> | undefined;
  #possible: ReadonlySet<number>;
  #next = 1;

  constructor(
    readonly offset: number,
    constants?: readonly number[],
  ) {
    this.#constants = constants && new Set(constants);
    this.#possible = this.#constants ?? new Set([0]);
  }

  /** Writes a new value and reads it back by checked accesses. */
  useChecked({ read, write }: Words): void {
    if (this.#constants === undefined) {
      const value = this.#begin();
      this.#count(
        () => write(this.offset, value),
        () => this.#written(value),
      );
    }
    let seen = 0;
    this.#count(
      () => (seen = read(this.offset)),
      () => this.#seen(seen),
    );
  }

  /** The same by accesses that are awaited. */
  async useLater({ read, write }: AsyncWords): Promise<void> {
    if (this.#constants === undefined) {
      const value = this.#begin();
      await this.#countLater(write(this.offset, value), () => this.#written(value));
    }
    await this.#countLater(read(this.offset), (seen) => this.#seen(seen));
  }

  /** Reads by a raw view: a value that a write explains, or all ones. */
  look(view: Uint32Array): void {
    this.tally.accesses += 1;
    const seen = view[this.offset / 4] ?? 0;
    if (seen !== 0xffff_ffff && !this.#possible.has(seen)) this.tally.wrong += 1;
  }

  #begin(): number {
    this.#possible = new Set([...this.#possible, this.#next]);
    this.#next += 1;
    return this.#next - 1;
  }

  #written(value: number): void {
    this.#possible = new Set([value]);
  }

  #seen(value: number): void {
    if (!this.#possible.has(value)) this.tally.wrong += 1;
    else if (this.#constants === undefined) this.#possible = new Set([value]);
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
    const code = error instanceof VfioError ? error.code : undefined;
    if (code === 'ERR_REVOKED') this.tally.revoked += 1;
    else if (code === 'ERR_CLOSED') this.tally.closed += 1;
    else throw error;
  }
}

/** Adds tallies up. */
export function sum(...tallies: readonly Tally[]): Tally {
  return tallies.reduce((one, other) => ({
    accesses: one.accesses + other.accesses,
    revoked: one.revoked + other.revoked,
    closed: one.closed + other.closed,
    wrong: one.wrong + other.wrong,
  }));
}
