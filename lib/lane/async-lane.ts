import { VfioError } from '../base/errors.js';
import type { Operation, SlotView } from '../layout/slot.js';
import { addon } from '../native/addon.js';
import type { IoWorkerHandle, NotifierHandle } from '../native/lane.js';
import { ECANCELED } from '../uapi/errno.js';
import { Fifo } from './fifo.js';
import { requireOperation } from './operation.js';
import { createLane, destroyLane, type LaneDescriptor, LaneProducer } from './producer.js';

/**
 * Called once with an operation's answer: status 0 or a negative errno, and the slot while it may be read. What it throws
 * ends as an uncaught exception.
 */
export type Settle = (status: number, slots: SlotView, position: number) => void;

/** What happens when a lane has no free slot: `wait` queues in order, `throw` refuses with ERR_LANE_FULL. */
export type WhenFull = 'wait' | 'throw';

interface Queued {
  readonly operation: Operation;
  readonly settle: Settle;
  cancelled: boolean;
}

/** An operation under way, to be cancelled. */
export interface Submitted {
  /** Answers it with ECANCELED unless it has run; a poll, a copy and a program stop where they are. */
  cancel(): void;
}

/** A lane for a thread with an event loop: answers arrive there, many for one wake-up. */
export class AsyncLane {
  readonly #descriptor: LaneDescriptor;
  readonly #producer: LaneProducer;
  readonly #notifier: NotifierHandle;
  /** By slot position. */
  readonly #settlers: (Settle | undefined)[];
  readonly #queue = new Fifo<Queued>();
  #closed = false;

  constructor(worker: IoWorkerHandle, capacity: number) {
    this.#descriptor = createLane(worker, capacity);
    this.#producer = new LaneProducer(this.#descriptor);
    this.#settlers = new Array<Settle | undefined>(capacity);
    this.#notifier = addon.notifierCreate(() => this.#reap());
    addon.laneSetNotifier(this.#descriptor.lane, this.#notifier);
  }

  /** Operations submitted and not answered. */
  get pending(): number {
    return this.#producer.pending + this.#queue.length;
  }

  /**
   * Has the worker run an operation.
   * @throws ERR_INVALID_ARGUMENT for what no slot holds; ERR_CLOSED; ERR_LANE_FULL when `whenFull` is `throw` and there is no
   * slot
   */
  submit(operation: Operation, settle: Settle, whenFull: WhenFull = 'wait'): Submitted {
    // Here as well: what is queued is written where answers are given out, and there its caller hears of nothing.
    requireOperation(operation);
    if (this.#closed) throw new VfioError('the lane is closed', { code: 'ERR_CLOSED' });
    if (this.#queue.length === 0 && this.#producer.room > 0) {
      return this.#publish(operation, settle);
    }
    if (whenFull === 'throw') {
      throw new VfioError(`all ${this.#producer.capacity} slots of the lane are taken`, {
        code: 'ERR_LANE_FULL',
        hint: 'await answers first, or make the lane larger by the option laneCapacity',
      });
    }
    const queued: Queued = { operation, settle, cancelled: false };
    this.#queue.push(queued);
    return {
      cancel: () => {
        queued.cancelled = true;
      },
    };
  }

  /** Ends the lane; what is under way is answered first, bounded by `timeoutMs`, what is queued with ECANCELED. */
  async close(timeoutMs: number): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    for (let queued = this.#queue.shift(); queued !== undefined; queued = this.#queue.shift()) {
      this.#answer(queued.settle, -ECANCELED, 0);
    }
    const deadline = Date.now() + timeoutMs;
    for (const position of this.#unanswered()) this.#producer.slots.cancel(position);
    while (this.#producer.pending > 0 && Date.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 1));
      this.#reap();
    }
    addon.notifierClose(this.#notifier);
    await destroyLane(this.#descriptor);
    for (const position of this.#unanswered()) this.#settleAt(position, -ECANCELED);
  }

  #publish(operation: Operation, settle: Settle): Submitted {
    if (this.#producer.pending === 0) addon.notifierSetRef(this.#notifier, true);
    const position = this.#producer.push(operation);
    this.#settlers[position] = settle;
    this.#producer.publish();
    // Asked anew by every submission: cheap, and the worker clears it once for all that completed.
    if (this.#producer.requestNotify()) this.#reapSoon();
    return {
      cancel: () => {
        if (this.#settlers[position] === settle) this.#producer.slots.cancel(position);
      },
    };
  }

  #reapScheduled = false;

  /** Answers came between publishing and asking for the signal: nobody will signal those. */
  #reapSoon(): void {
    if (this.#reapScheduled) return;
    this.#reapScheduled = true;
    setImmediate(() => {
      this.#reapScheduled = false;
      this.#reap();
    });
  }

  #reap(): void {
    do {
      // Never more than is under way, whatever somebody wrote into the lane's memory.
      for (let left = Math.min(this.#producer.answered, this.#producer.pending); left > 0; left--) {
        const position = this.#producer.take();
        this.#settleAt(position, this.#producer.slots.status(position));
      }
      this.#refill();
    } while (this.#producer.pending > 0 && this.#producer.requestNotify());
    if (this.#producer.pending === 0) addon.notifierSetRef(this.#notifier, false);
  }

  #settleAt(position: number, status: number): void {
    const settle = this.#settlers[position];
    this.#settlers[position] = undefined;
    if (settle !== undefined) this.#answer(settle, status, position);
  }

  /** What one of them throws keeps nobody else from being answered; it is thrown where it is seen, on its own. */
  #answer(settle: Settle, status: number, position: number): void {
    try {
      settle(status, this.#producer.slots, position);
    } catch (error) {
      queueMicrotask(() => {
        throw error;
      });
    }
  }

  #refill(): void {
    while (this.#producer.room > 0) {
      const queued = this.#queue.shift();
      if (queued === undefined) return;
      if (queued.cancelled) this.#answer(queued.settle, -ECANCELED, 0);
      else this.#publish(queued.operation, queued.settle);
    }
  }

  #unanswered(): number[] {
    return [...this.#settlers.keys()].filter((position) => this.#settlers[position] !== undefined);
  }
}
