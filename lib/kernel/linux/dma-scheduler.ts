import { PAGE_SIZE } from '../../native/page-size.js';
import type { Fd } from '../kernel.js';

const PAGE_SHIFT = BigInt(Math.log2(PAGE_SIZE));
/** What a call costs beside its pages, in pages. */
const CALL_COST = 16;
/** In pages; more is pinned and unpinned on the pool: ranges of more than 512 pages, or many small ones. */
const MOST_AT_ONCE = CALL_COST + 512;
/** What may be done in one turn of the event loop, in pages: half a millisecond or so where the pages are there. */
const TURN = 4096;

/**
 * Decides which calls on an address space run at once. A small map takes microseconds, and a thread of the pool many times
 * that; but no call may wait on this thread behind a large one, which holds the address space's lock, and many small ones
 * may not keep the event loop from turning.
 */
export class DmaScheduler {
  /** How many calls on an address space are under way on the pool. */
  readonly #onPool = new Map<Fd, number>();
  #room = TURN;
  #nextTurn: Promise<void> | undefined;

  /**
   * Makes a call that takes its time in proportion to the size of a range.
   * @param call gets whether it may sleep, and then runs on the pool; else it answers, or throws, at once
   */
  run<T>(space: Fd, size: bigint, call: (sleeps: boolean) => T | Promise<T>): Promise<T> {
    return this.runMany(space, { count: 1, size }, call);
  }

  /** The same for some calls in one, of ranges of one size. */
  async runMany<T>(
    space: Fd,
    { count, size }: { readonly count: number; readonly size: bigint },
    call: (sleeps: boolean) => T | Promise<T>,
  ): Promise<T> {
    const cost = count * (CALL_COST + Number(size >> PAGE_SHIFT));
    for (;;) {
      const large = cost > MOST_AT_ONCE;
      if (large || this.#onPool.has(space)) return this.runOnPool(space, () => call(true));
      this.#nextTurn ??= this.#turn();
      if (this.#room >= cost) break;
      await this.#nextTurn;
    }
    this.#room -= cost;
    return call(false);
  }

  /** Makes a call that is the pool's in any case. */
  async runOnPool<T>(space: Fd, call: () => T | Promise<T>): Promise<T> {
    this.#onPool.set(space, (this.#onPool.get(space) ?? 0) + 1);
    try {
      return await call();
    } finally {
      const left = (this.#onPool.get(space) ?? 1) - 1;
      if (left === 0) this.#onPool.delete(space);
      else this.#onPool.set(space, left);
    }
  }

  #turn(): Promise<void> {
    return new Promise((resolve) => {
      setImmediate(() => {
        this.#room = TURN;
        this.#nextTurn = undefined;
        resolve();
      });
    });
  }
}

/** The process's. */
export const dmaScheduler = new DmaScheduler();
