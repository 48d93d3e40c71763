import { PAGE_SIZE } from '../../native/page-size.js';
import type { Fd } from '../kernel.js';

const PAGE_SHIFT = BigInt(Math.log2(PAGE_SIZE));
/** The fixed cost of a call, in pages. */
const CALL_COST = 16;
/** The most that one call may cost on the event loop's thread, in pages: a range of 512 pages, or some small ones. */
const LARGEST_DIRECT_COST = CALL_COST + 512;
/** The most that all calls of one turn of the event loop may cost, in pages: about half a millisecond of present pages. */
const TURN_BUDGET = 4096;

/**
 * Decides for each call on an address space whether it runs directly on the event loop's thread or on a call thread. A
 * small map takes microseconds; to go through a call thread costs many times that. Two rules keep the event loop free. A call goes
 * to a call thread while another call on the same address space is there, because that one holds the kernel's lock. And the calls
 * of one turn share a budget: those beyond it wait for the next turn.
 *
 * An address space is a container or an iommufd, named by its descriptor.
 *
 * @internal Exported for its tests.
 */
export class DmaScheduler {
  /** How many calls on an address space run on call threads now. */
  readonly #onPool = new Map<Fd, number>();
  #budget = TURN_BUDGET;
  #nextTurn: Promise<void> | undefined;

  /**
   * Runs a call whose time is in proportion to the size of a range.
   * @param size bytes
   * @param call if `sleeps` is true it must run on a call thread; otherwise it must return or throw at once
   */
  run<T>(space: Fd, size: bigint, call: (sleeps: boolean) => T | Promise<T>): Promise<T> {
    return this.runMany(space, { count: 1, size }, call);
  }

  /** Runs one call that stands for several calls on ranges of equal size. */
  async runMany<T>(
    space: Fd,
    { count, size }: { readonly count: number; readonly size: bigint },
    call: (sleeps: boolean) => T | Promise<T>,
  ): Promise<T> {
    const cost = count * (CALL_COST + Number(size >> PAGE_SHIFT));
    for (;;) {
      const large = cost > LARGEST_DIRECT_COST;
      if (large || this.#onPool.has(space)) return this.runOnPool(space, () => call(true));
      this.#nextTurn ??= this.#startTurn();
      if (this.#budget >= cost) break;
      await this.#nextTurn;
    }
    this.#budget -= cost;
    return call(false);
  }

  /** Runs a call that always uses a call thread. */
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

  #startTurn(): Promise<void> {
    return new Promise((resolve) => {
      setImmediate(() => {
        this.#budget = TURN_BUDGET;
        this.#nextTurn = undefined;
        resolve();
      });
    });
  }
}

/** The scheduler of this thread. */
export const dmaScheduler = new DmaScheduler();
