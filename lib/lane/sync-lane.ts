import { availableParallelism } from 'node:os';

import { LONGEST_WAIT_MS, requireNumber, requireOptions, requireWhole } from '../base/arguments.js';
import { VfioError } from '../base/errors.js';
import type { Operation, SlotView } from '../layout/slot.js';
import { type LaneDescriptor, LaneProducer } from './producer.js';

/** How a synchronous producer waits for its answer. */
export interface SyncLaneOptions {
  /**
   * How many looks before it sleeps, each some 20 ns; sleeping costs some 50 us. Default 2000, and 0 on a machine of one
   * CPU, where the worker cannot run meanwhile. At most 1,000,000: nothing ends the thread while it looks.
   */
  readonly spins?: number;
  /** After which it gives up with ERR_TIMEOUT, milliseconds, 0 to 2,147,483,647. Default 10,000. */
  readonly timeoutMs?: number;
}

const DEFAULT_SPINS = 2000;
const DEFAULT_TIMEOUT_MS = 10_000;
const MOST_SPINS = 1_000_000;

/**
 * A lane for a thread that may block, such as an emulator's vCPU: it looks for its answer, then sleeps. For operations
 * that are to overlap with other work of the thread, use `LaneProducer`.
 */
export class SyncLane {
  readonly #producer: LaneProducer;
  readonly #spins: number;
  readonly #timeoutMs: number;

  /** @throws ERR_INVALID_ARGUMENT for options that cannot be; what `LaneProducer` throws */
  constructor(descriptor: LaneDescriptor, options: SyncLaneOptions = {}) {
    requireOptions(options);
    this.#spins = options.spins ?? (availableParallelism() > 1 ? DEFAULT_SPINS : 0);
    this.#timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
    requireWhole('spins', this.#spins, 0, MOST_SPINS);
    requireNumber('timeoutMs', this.#timeoutMs, 0, LONGEST_WAIT_MS);
    this.#producer = new LaneProducer(descriptor);
  }

  get slots(): SlotView {
    return this.#producer.slots;
  }

  /**
   * Reads 8, 16 or 32 bits and waits.
   * @param region handle @param offset bytes
   * @returns the slot's position, whose status and value are the answer
   * @throws ERR_TIMEOUT; ERR_LANE_FULL; ERR_INVALID_ARGUMENT for what no slot holds, and then nothing is run
   */
  read(region: number, width: 1 | 2 | 4, offset: number): number {
    this.#requireRoom(1);
    return this.#answer(this.#producer.pushRead(region, width, offset));
  }

  /**
   * Writes 8, 16 or 32 bits and waits.
   * @param value whole; its low bits are written
   * @returns the slot's position, whose status is the answer. @throws as `read`
   */
  write(region: number, width: 1 | 2 | 4, offset: number, value: number): number {
    this.#requireRoom(1);
    return this.#answer(this.#producer.pushWrite(region, width, offset, value));
  }

  /** Runs one operation and waits. @returns the slot's position, whose status and value are the answer. @throws as `read` */
  run(operation: Operation): number {
    this.#requireRoom(1);
    return this.#answer(this.#producer.push(operation));
  }

  /**
   * Publishes all operations at once and waits for the last.
   * @returns the position of the first; the others follow, round the lane's capacity. @throws as `read`
   */
  runAll(operations: readonly Operation[]): number {
    this.#requireRoom(operations.length);
    return this.#answer(this.#pushAll(operations));
  }

  /** All or none. @returns the position of the first */
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

  /** Takes all answers: those that came too late for a wait that gave up lie before these. */
  #answer(first: number): number {
    const producer = this.#producer;
    producer.publish();
    while (producer.pending > 0) {
      if (producer.answered <= 0) this.#wait();
      producer.take();
    }
    return first;
  }

  /** Of operations whose wait gave up: nobody else asks for them. */
  #takeLateAnswers(): void {
    const producer = this.#producer;
    while (producer.pending > 0 && producer.answered > 0) producer.take();
  }

  #requireRoom(count: number): void {
    if (count <= this.#producer.room) return;
    this.#takeLateAnswers();
    if (count <= this.#producer.room) return;
    throw new VfioError(`${count} operations do not fit the ${this.#producer.room} free slots of the lane`, {
      code: 'ERR_LANE_FULL',
      hint: 'make the lane larger by the option laneCapacity; slots whose wait timed out are taken until they are answered',
    });
  }

  #wait(): void {
    if (this.#producer.waitForAnswer(this.#spins, this.#timeoutMs)) return;
    throw new VfioError('the worker did not answer in time', { code: 'ERR_TIMEOUT' });
  }
}
