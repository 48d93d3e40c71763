import { VfioError } from '../../lib/base/errors.js';
import { noteDuplicated, noteLost, type Tally } from './tally.js';

/** What a device that does not answer reads as. */
export const ALL_ONES = 0xffff_ffff;

/**
 * Compares what the program was told of its operations with what the device has counted. Each operation that succeeded was
 * carried out once; one that failed before it reached the device was not carried out; of any other one the program does not
 * know.
 */
export class Ledger {
  #carriedOut = 0;
  #unknown = 0;

  constructor(
    private readonly tally: Tally,
    private readonly what: string,
  ) {}

  /** Counts operations that succeeded. */
  succeeded(count = 1): void {
    this.tally.operations += count;
    this.#carriedOut += count;
  }

  /** Counts operations that failed. */
  failed(error: unknown, count = 1): void {
    this.tally.operations += count;
    const code = error instanceof VfioError ? error.code : '';
    // A plan shortens a read after the device has answered it, and fails a transfer before it reaches the device.
    if (code === 'ERR_SHORT_TRANSFER') this.#carriedOut += count;
    else if (code !== 'EIO') this.#unknown += count;
  }

  /** Counts operations of which only the device knows whether they were carried out. */
  uncertain(count: number): void {
    this.tally.operations += count;
    this.#unknown += count;
  }

  /** Compares. @param counted how many operations the device has carried out */
  check(counted: number): void {
    const facts = `${this.what}: ${counted} carried out, ${this.#carriedOut} succeeded, ${this.#unknown} unknown`;
    noteLost(this.tally, this.#carriedOut - counted, facts);
    noteDuplicated(this.tally, counted - this.#carriedOut - this.#unknown, facts);
  }
}
