import { warn } from '../base/diagnostics.js';
import { VfioError } from '../base/errors.js';
import type { Operation, SlotView } from '../layout/slot.js';
import { addon } from '../native/addon.js';
import type {
  BufferNumber,
  IoWorkerHandle,
  NotifierHandle,
  ProgramHandle,
  RegionHandle,
  RegionNumber,
} from '../native/lane.js';
import { ECANCELED } from '../uapi/errno.js';
import { BufferNumbers } from './buffer-numbers.js';
import { createLane, destroyLane, type LaneDescriptor } from './descriptor.js';
import { Fifo } from './fifo.js';
import { LaneProducer } from './lane-producer.js';
import { requireOperation } from './operation.js';

/**
 * Called once with the answer of an operation: a status of 0 or a negative errno, and the slot, which may be read during
 * the call. If it throws, the error becomes an uncaught exception.
 */
export type AnswerCallback = (status: number, slots: SlotView, position: number) => void;

/** An operation that waits for a free slot. */
interface QueuedOperation {
  readonly operation: Operation;
  readonly onAnswer: AnswerCallback;
  cancelled: boolean;
}

/** An operation under way. */
export interface SubmittedOperation {
  /** Cancels the operation if it has not run. A poll, a copy and a program stop where they are. */
  cancel(): void;
}

/**
 * A lane for a thread with an event loop. One wake-up of the loop delivers all answers that are there.
 * Operations that find no free slot are queued in order.
 * Thread: the one that created it.
 */
export class AsyncLane {
  readonly #descriptor: LaneDescriptor;
  readonly #producer: LaneProducer;
  readonly #notifier: NotifierHandle;
  /** The callback of each slot in use, by the slot's position. */
  readonly #callbacks: (AnswerCallback | undefined)[];
  readonly #queue = new Fifo<QueuedOperation>();
  readonly #buffers: BufferNumbers;
  #spent = false;
  #closed = false;
  #reapScheduled = false;

  /** Creates a lane of `capacity` slots on a worker. @throws what `createLane` throws */
  constructor(worker: IoWorkerHandle, capacity: number) {
    this.#callbacks = new Array<AnswerCallback | undefined>(capacity);
    this.#notifier = addon.notifierCreate(() => this.#reap());
    try {
      this.#descriptor = createLane(worker, capacity);
    } catch (error) {
      addon.notifierClose(this.#notifier);
      throw error;
    }
    this.#buffers = new BufferNumbers(this.#descriptor.lane);
    try {
      this.#producer = new LaneProducer(this.#descriptor);
      addon.laneSetNotifier(this.#descriptor.lane, this.#notifier);
    } catch (error) {
      addon.notifierClose(this.#notifier);
      destroyLane(this.#descriptor).catch((failure: unknown) => warn('closing a lane failed', failure));
      throw error;
    }
  }

  /** How many operations are submitted and not answered. */
  get pending(): number {
    return this.#producer.pending + this.#queue.length;
  }

  /** Whether the lane gave about half of the 2^32 numbers that it has for regions. New devices then need another lane. */
  get spent(): boolean {
    return this.#spent;
  }

  /** Lets the lane's operations reach a region. @returns the region's number in the lane @throws EBADF; ENFILE */
  addRegion(region: RegionHandle): RegionNumber {
    const number = addon.reachAddRegion(this.#descriptor.lane, region);
    // A number has an index of 16 bits. The higher ones are used when the numbers of the lower ones have been given.
    if ((number & 0x8000) !== 0) this.#spent = true;
    return number;
  }

  /**
   * Lets the lane's operations reach a buffer until it is collected.
   * @returns the buffer's number in the lane
   * @throws ERR_INVALID_ARGUMENT if `buffer` is not a SharedArrayBuffer; EBADF; ENFILE
   */
  numberOf(buffer: SharedArrayBuffer): BufferNumber {
    return this.#buffers.of(buffer);
  }

  /** Lets the lane's operations run a program until it is collected. @returns its number in the lane @throws EBADF; ENFILE */
  numberOfProgram(program: ProgramHandle): BufferNumber {
    return this.#buffers.ofProgram(program);
  }

  /**
   * Submits an operation to the worker.
   * @throws ERR_INVALID_ARGUMENT if the operation does not fit into a slot; ERR_CLOSED if the lane is closed
   */
  submit(operation: Operation, onAnswer: AnswerCallback): SubmittedOperation {
    // A queued operation is pushed later, where an error would not reach the caller.
    requireOperation(operation);
    if (this.#closed) throw new VfioError('the lane is closed', { code: 'ERR_CLOSED' });
    if (this.#queue.length === 0 && this.#producer.room > 0) return this.#publish(operation, onAnswer);
    const queued: QueuedOperation = { operation, onAnswer, cancelled: false };
    this.#queue.push(queued);
    return {
      cancel: () => {
        queued.cancelled = true;
      },
    };
  }

  /**
   * Closes the lane. Cancels all operations, and waits for the answers of those that the worker has begun.
   * @param timeoutMs how long it waits, milliseconds
   */
  async close(timeoutMs: number): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    for (let queued = this.#queue.shift(); queued !== undefined; queued = this.#queue.shift()) {
      this.#answer(queued.onAnswer, -ECANCELED, 0);
    }
    const deadline = Date.now() + timeoutMs;
    for (const position of this.#unanswered()) this.#producer.slots.cancel(position);
    while (this.#producer.pending > 0 && Date.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 1));
      this.#reap();
    }
    addon.notifierClose(this.#notifier);
    this.#buffers.close();
    await destroyLane(this.#descriptor);
    for (const position of this.#unanswered()) this.#answerAt(position, -ECANCELED);
  }

  #publish(operation: Operation, onAnswer: AnswerCallback): SubmittedOperation {
    if (this.#producer.pending === 0) addon.notifierSetRef(this.#notifier, true);
    const position = this.#producer.push(operation);
    this.#callbacks[position] = onAnswer;
    this.#producer.publish();
    // Each submission asks again. That is cheap, and the worker clears the request once for all that it completed.
    if (this.#producer.requestNotify()) this.#reapSoon();
    return {
      cancel: () => {
        if (this.#callbacks[position] === onAnswer) this.#producer.slots.cancel(position);
      },
    };
  }

  /** Takes answers that arrived before the signal was asked for. The worker sends no signal for them. */
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
      // Bounded by the pending operations, so that overwritten lane memory cannot make it loop.
      for (let left = Math.min(this.#producer.answered, this.#producer.pending); left > 0; left--) {
        const position = this.#producer.take();
        this.#answerAt(position, this.#producer.slots.status(position));
      }
      this.#refill();
    } while (this.#producer.pending > 0 && this.#producer.requestNotify());
    if (this.#producer.pending === 0) addon.notifierSetRef(this.#notifier, false);
  }

  #answerAt(position: number, status: number): void {
    const onAnswer = this.#callbacks[position];
    this.#callbacks[position] = undefined;
    if (onAnswer !== undefined) this.#answer(onAnswer, status, position);
  }

  /** Calls a callback. An error that it throws is thrown from a microtask, so that the other callbacks still run. */
  #answer(onAnswer: AnswerCallback, status: number, position: number): void {
    try {
      onAnswer(status, this.#producer.slots, position);
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
      if (queued.cancelled) this.#answer(queued.onAnswer, -ECANCELED, 0);
      else this.#publish(queued.operation, queued.onAnswer);
    }
  }

  #unanswered(): number[] {
    return [...this.#callbacks.keys()].filter((position) => this.#callbacks[position] !== undefined);
  }
}
