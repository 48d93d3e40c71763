import { VfioError } from '../errors.js';
import { LANE, WORKER } from '../layout/lane.js';
import { type Operation, SlotView } from '../layout/slot.js';
import { addon } from '../native/addon.js';
import type { IoWorkerHandle, LaneHandle } from '../native/lane.js';

/** A lane as another thread can open it: structured clone carries it. */
export interface LaneDescriptor {
  readonly lane: LaneHandle;
  readonly worker: IoWorkerHandle;
  readonly capacity: number;
}

/**
 * The producer's end of a lane: writes slots, publishes them, wakes the worker. One thread at a time may have it.
 * Counts are of all slots ever, in u32 that wrap.
 */
export class LaneProducer {
  readonly slots: SlotView;
  readonly capacity: number;
  readonly #words: Int32Array;
  readonly #control: Int32Array;
  readonly #descriptor: LaneDescriptor;
  #produced = 0;

  constructor(descriptor: LaneDescriptor) {
    const memory = addon.laneView(descriptor.lane);
    this.#descriptor = descriptor;
    this.capacity = descriptor.capacity;
    this.slots = new SlotView(memory, LANE.slotsOffset);
    this.#words = new Int32Array(memory);
    this.#control = new Int32Array(addon.workerView(descriptor.worker));
    this.#produced = Atomics.load(this.#words, LANE.produced >> 2) >>> 0;
  }

  /** How many slots were published. */
  get produced(): number {
    return this.#produced;
  }

  /** How many slots were answered. */
  completed(): number {
    return Atomics.load(this.#words, LANE.completed >> 2) >>> 0;
  }

  /** Writes the slot after the `ahead` that are written and not published; there must be room. */
  write(operation: Operation, ahead = 0): number {
    const count = (this.#produced + ahead) >>> 0;
    this.slots.write(count & (this.capacity - 1), operation);
    return count;
  }

  /** Publishes the next `count` slots and wakes the worker if it sleeps. */
  publish(count = 1): void {
    this.#produced = (this.#produced + count) >>> 0;
    Atomics.store(this.#words, LANE.produced >> 2, this.#produced | 0);
    if (Atomics.load(this.#control, WORKER.sleeping >> 2) !== 0) addon.workerWake(this.#descriptor.worker);
  }

  /** Asks for a signal at the next completion. @returns the completed count seen after asking */
  requestNotify(): number {
    Atomics.store(this.#words, LANE.notify >> 2, 1);
    return this.completed();
  }

  /** Where slot `count` lies. */
  position(count: number): number {
    return count & (this.capacity - 1);
  }
}

/** Makes a lane on a worker. @param capacity slots, a power of two from 2 to 65,536 */
export function createLane(worker: IoWorkerHandle, capacity: number): LaneDescriptor {
  if (!Number.isInteger(capacity) || capacity < 2 || capacity > 65_536 || (capacity & (capacity - 1)) !== 0) {
    throw new VfioError(`a lane of ${capacity} slots cannot be`, {
      code: 'ERR_INVALID_ARGUMENT',
      hint: 'give a power of two from 2 to 65536',
    });
  }
  const lane = addon.laneCreate(capacity);
  try {
    addon.workerAddLane(worker, lane);
  } catch (error) {
    addon.laneClose(lane);
    throw error;
  }
  return { lane, worker, capacity };
}

/** Takes a lane from its worker and drops it; the producer must not use it any more. */
export async function destroyLane(descriptor: LaneDescriptor): Promise<void> {
  try {
    await addon.workerRemoveLane(descriptor.worker, descriptor.lane);
  } finally {
    addon.laneClose(descriptor.lane);
  }
}
