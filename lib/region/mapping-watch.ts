import type { MappingHandle } from '../kernel/kernel.js';
import { addon } from '../native/addon.js';
import { EBADF, ESTALE } from '../uapi/errno.js';

/** The epoch of a mapping whose region is closed. Source: native/memory/revocable.h */
const CLOSED = 0xffff_ffff;

/**
 * Looks at the state of a mapping: mapped, revoked (the device does not answer and memory of 0xFF stands in for it), or closed.
 * The epoch is even while it is mapped and odd while it is revoked; each change adds one. Thread: any; one object a thread.
 */
export class MappingWatch {
  readonly #epoch: Uint32Array;
  readonly #faultOffset: BigUint64Array;
  /** The epoch that this object saw last, or the even one before it. */
  #seen: number;

  /** @throws EBADF when the mapping is closed */
  constructor(mapping: MappingHandle) {
    const state = addon.mappingState(mapping);
    this.#epoch = new Uint32Array(state, 0, 1);
    this.#faultOffset = new BigUint64Array(state, 8, 1);
    this.#seen = this.epoch & ~1;
  }

  get epoch(): number {
    return Atomics.load(this.#epoch, 0);
  }

  get revoked(): boolean {
    return (this.epoch & 1) !== 0;
  }

  get closed(): boolean {
    return this.epoch === CLOSED;
  }

  /** The byte of the mapping at which the last revocation was met. */
  get faultOffset(): number {
    return Number(Atomics.load(this.#faultOffset, 0));
  }

  /**
   * Checks a value of all ones, which this thread has just read: the device sent it, or a revoked mapping reads so.
   * @returns 0 if the memory was mapped ever since the last call; -ESTALE if it is revoked, or was since then; -EBADF if the region
   *   is closed
   */
  checkOnes(): number {
    const epoch = this.epoch;
    if (epoch === this.#seen) return 0;
    if (epoch === CLOSED) return -EBADF;
    // Revoked, the next read looks again. Mapped again, this read may have been made before; the next one is made after.
    if ((epoch & 1) === 0) this.#seen = epoch;
    return -ESTALE;
  }
}
