import { availableParallelism } from 'node:os';

import { LONGEST_WAIT_MS, requireArray, requireNumber, requireOptions, requireInteger } from '../base/arguments.js';
import { VfioError } from '../base/errors.js';
import type { Operation, SlotView } from '../layout/slot.js';
import type { LaneDescriptor } from './descriptor.js';
import { LaneProducer } from './lane-producer.js';

/** How a `SyncLane` waits for an answer. */
export interface SyncLaneOptions {
  /**
   * How often it looks for the answer before it sleeps, 0 to 1,000,000. One look takes about 20 ns, a sleep about 50 µs.
   * The thread cannot be terminated while it looks. Default 2000; 0 on a machine with one CPU, because the worker cannot
   * run while this thread looks.
   */
  readonly spins?: number;
  /** How long it waits before it throws ERR_TIMEOUT, milliseconds, 0 to 2,147,483,647. Default 10,000. */
  readonly timeoutMs?: number;
}

const DEFAULT_SPINS = 2000;
const DEFAULT_ANSWER_TIMEOUT_MS = 10_000;
const MOST_SPINS = 1_000_000;

/**
 * A lane for a thread that may block, such as a vCPU of an emulator. Each operation waits for its answer: it spins, then
 * sleeps. Use `LaneProducer` for operations that overlap with other work of the thread.
 * Thread: any thread of the process, one at a time.
 */
export class SyncLane {
  readonly #producer: LaneProducer;
  readonly #spins: number;
  readonly #timeoutMs: number;

  /**
   * Opens a lane on this thread.
   * @param descriptor what `pool.createLane()` returned
   * @throws ERR_INVALID_ARGUMENT if `descriptor` is not a LaneDescriptor or an option is out of range; EBADF if the lane
   * is closed; ERR_PROTOCOL if the lane's memory was overwritten
   */
  constructor(descriptor: LaneDescriptor, options: SyncLaneOptions = {}) {
    requireOptions(options);
    this.#spins = options.spins ?? (availableParallelism() > 1 ? DEFAULT_SPINS : 0);
    this.#timeoutMs = options.timeoutMs ?? DEFAULT_ANSWER_TIMEOUT_MS;
    requireInteger('spins', this.#spins, 0, MOST_SPINS);
    requireNumber('timeoutMs', this.#timeoutMs, 0, LONGEST_WAIT_MS);
    this.#producer = new LaneProducer(descriptor);
  }

  /** The lane's slots, where answers are read: `slots.status(position)`, `slots.value32(position)`. */
  get slots(): SlotView {
    return this.#producer.slots;
  }

  /**
   * Reads 8, 16 or 32 bits and waits.
   * @param region the region's number in the lane: `pool.addRegion(lane, region)`
   * @param width bytes
   * @param offset bytes into the region
   * @returns the position of the slot that holds the status and the value
   * @throws ERR_TIMEOUT if the worker does not answer in time; ERR_LANE_FULL if operations that timed out use all slots;
   * ERR_INVALID_ARGUMENT if an argument does not fit into a slot, and then nothing runs
   */
  read(region: number, width: 1 | 2 | 4, offset: number): number {
    this.#requireRoom(1);
    return this.#answer(this.#producer.pushRead(region, width, offset));
  }

  /**
   * Writes 8, 16 or 32 bits and waits.
   * @param region the region's number in the lane: `pool.addRegion(lane, region)`
   * @param width bytes
   * @param offset bytes into the region
   * @param value an integer, of which the low bits are written
   * @returns the position of the slot that holds the status
   * @throws ERR_TIMEOUT, ERR_LANE_FULL, ERR_INVALID_ARGUMENT: see `read`
   */
  write(region: number, width: 1 | 2 | 4, offset: number, value: number): number {
    this.#requireRoom(1);
    return this.#answer(this.#producer.pushWrite(region, width, offset, value));
  }

  /**
   * Runs one operation and waits.
   * @returns the position of the slot that holds the status and the value
   * @throws ERR_TIMEOUT, ERR_LANE_FULL, ERR_INVALID_ARGUMENT: see `read`
   */
  run(operation: Operation): number {
    this.#requireRoom(1);
    return this.#answer(this.#producer.push(operation));
  }

  /**
   * Publishes all operations at once and waits for the last one.
   * @returns the position of the first operation's slot; the others follow, modulo the lane's capacity
   * @throws ERR_INVALID_ARGUMENT if `operations` is not an array, or as `read`; ERR_TIMEOUT; ERR_LANE_FULL if the lane has
   * fewer free slots than there are operations
   */
  runAll(operations: readonly Operation[]): number {
    requireArray('operations', operations);
    this.#requireRoom(operations.length);
    return this.#answer(this.#pushAll(operations));
  }

  /** Pushes all operations, or none of them if one is rejected. @returns the position of the first */
  #pushAll(operations: readonly Operation[]): number {
    let first = 0;
    try {
      for (let i = 0; i < operations.length; i++) {
        const position = this.#producer.push(operations[i] as Operation);
        if (i === 0) first = position;
      }
    } catch (error) {
      this.#producer.withdraw();
      throw error;
    }
    return first;
  }

  /** Takes all answers. Late answers of operations that timed out come before the answers that are waited for. */
  #answer(first: number): number {
    const producer = this.#producer;
    producer.publish();
    while (producer.pending > 0) {
      if (producer.answered <= 0) this.#wait();
      producer.take();
    }
    return first;
  }

  /** Takes the answers of operations that timed out, which frees their slots. */
  #takeLateAnswers(): void {
    const producer = this.#producer;
    while (producer.pending > 0 && producer.answered > 0) producer.take();
  }

  #requireRoom(count: number): void {
    if (count <= this.#producer.room) return;
    this.#takeLateAnswers();
    if (count <= this.#producer.room) return;
    throw new VfioError(`the lane has ${this.#producer.room} free slots for ${count} operations`, {
      code: 'ERR_LANE_FULL',
      hint: 'raise the option `laneCapacity`; an operation that timed out keeps its slot until the worker answers',
    });
  }

  #wait(): void {
    if (this.#producer.waitForAnswer(this.#spins, this.#timeoutMs)) return;
    throw new VfioError(`the I/O worker did not answer within ${this.#timeoutMs} ms`, { code: 'ERR_TIMEOUT' });
  }
}
