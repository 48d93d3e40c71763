import { VfioError } from '../errors.js';
import type { Operation, SlotView } from '../layout/slot.js';
import { addon } from '../native/addon.js';
import { type LaneDescriptor, LaneProducer } from './producer.js';

/** How a synchronous producer waits for its answer. */
export interface SyncLaneOptions {
  /** How many looks before it sleeps; each is some nanoseconds. 0 on a machine of one CPU. */
  readonly spins?: number;
  /** After which it gives up with ERR_TIMEOUT, milliseconds. */
  readonly timeoutMs?: number;
}

const DEFAULT_SPINS = 2000;
const DEFAULT_TIMEOUT_MS = 10_000;

/** A lane for a thread that may block, such as an emulator's vCPU: it spins for its answer, then sleeps. */
export class SyncLane {
  readonly #descriptor: LaneDescriptor;
  readonly #producer: LaneProducer;
  readonly #spins: number;
  readonly #timeoutMs: number;

  constructor(descriptor: LaneDescriptor, options: SyncLaneOptions = {}) {
    this.#descriptor = descriptor;
    this.#producer = new LaneProducer(descriptor);
    this.#spins = options.spins ?? DEFAULT_SPINS;
    this.#timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  }

  get slots(): SlotView {
    return this.#producer.slots;
  }

  /** Runs one operation and waits. @returns the slot's position, whose status and value are the answer. @throws ERR_TIMEOUT */
  run(operation: Operation): number {
    const count = this.#producer.write(operation);
    this.#producer.publish();
    this.#await((count + 1) >>> 0);
    return this.#producer.position(count);
  }

  /** Publishes all operations at once and waits for the last. @returns the position of the first */
  runAll(operations: readonly Operation[]): number {
    if (operations.length > this.#producer.capacity) {
      throw new VfioError(`${operations.length} operations do not fit a lane of ${this.#producer.capacity}`, {
        code: 'ERR_LANE_FULL',
      });
    }
    const first = this.#producer.produced;
    for (let i = 0; i < operations.length; i++) this.#producer.write(operations[i] as Operation, i);
    this.#producer.publish(operations.length);
    this.#await((first + operations.length) >>> 0);
    return this.#producer.position(first);
  }

  #await(count: number): void {
    const producer = this.#producer;
    for (let spin = 0; spin < this.#spins; spin++) {
      if (producer.completed() === count) return;
    }
    const deadline = performance.now() + this.#timeoutMs;
    for (let seen = producer.completed(); seen !== count; seen = producer.completed()) {
      const left = deadline - performance.now();
      if (left <= 0) throw new VfioError('the worker did not answer in time', { code: 'ERR_TIMEOUT' });
      addon.laneWait(this.#descriptor.lane, seen, Math.ceil(Math.min(left, 1000) * 1000));
    }
  }
}
