import { isPowerOfTwo, LONGEST_WAIT_MS, requireBits, requireNumber } from '../base/arguments.js';
import { VfioError } from '../base/errors.js';
import { LANE, WORKER } from '../layout/lane.js';
import { Op, type Operation, SlotView } from '../layout/slot.js';
import { addon } from '../native/addon.js';
import type { IoWorkerHandle, LaneHandle } from '../native/lane.js';
import { requireAccess, requireOperation } from './operation.js';

/** Looks made here before the addon is called: most answers of a worker that spins come within them. */
const FIRST_LOOKS = 100;
/** So that a thread that is to be ended is ended. */
const LONGEST_SLEEP_MS = 50;

/** A lane as another thread can open it: structured clone carries it. */
export interface LaneDescriptor {
  readonly lane: LaneHandle;
  readonly worker: IoWorkerHandle;
  readonly capacity: number;
}

/**
 * The producer's end of a lane: pushes operations, publishes them together, takes their answers in order. It waits for
 * nothing and allocates nothing. Of the slots, `room` are free, the next `answered` can be taken; the others are pushed, or
 * under way. One thread at a time may have it; any thread of the process. What an earlier owner of the lane left under way
 * is pending here, and its answers are taken first. Counts are of all slots ever, in u32 that wrap.
 */
export class LaneProducer {
  /** What `take` gives positions in. */
  readonly slots: SlotView;
  readonly capacity: number;
  readonly #words: Int32Array;
  readonly #control: Int32Array;
  readonly #descriptor: LaneDescriptor;
  readonly #mask: number;
  #pushed: number;
  #produced: number;
  #taken: number;

  /** @throws ERR_PROTOCOL when the lane's memory holds what no producer writes; EBADF when the lane is closed */
  constructor(descriptor: LaneDescriptor) {
    const memory = addon.laneView(descriptor.lane);
    this.#descriptor = descriptor;
    this.capacity = descriptor.capacity;
    this.#mask = descriptor.capacity - 1;
    this.slots = new SlotView(memory, LANE.slotsOffset);
    this.#words = new Int32Array(memory);
    this.#control = new Int32Array(addon.workerView(descriptor.worker));
    this.#produced = Atomics.load(this.#words, LANE.produced >> 2);
    this.#pushed = this.#produced;
    this.#taken = Atomics.load(this.#words, LANE.completed >> 2);
    if (this.pending < 0 || this.pending > this.capacity) throw wrongCounts(this.pending, this.capacity);
  }

  /** How many slots can be pushed before answers are taken. */
  get room(): number {
    return (this.capacity - (this.#pushed - this.#taken)) | 0;
  }

  /** How many were pushed and not taken. */
  get pending(): number {
    return (this.#pushed - this.#taken) | 0;
  }

  /** How many answers can be taken now. */
  get answered(): number {
    return (Atomics.load(this.#words, LANE.completed >> 2) - this.#taken) | 0;
  }

  /**
   * Writes an operation into the next slot; there must be room.
   * @returns the slot's position. @throws ERR_INVALID_ARGUMENT for what no slot holds; the slot is free then
   */
  push(operation: Operation): number {
    requireOperation(operation);
    const position = this.#pushed & this.#mask;
    this.slots.write(position, operation);
    this.#pushed = (this.#pushed + 1) | 0;
    return position;
  }

  /**
   * Pushes a read of 8, 16 or 32 bits, without an object.
   * @param region handle @param offset bytes
   * @returns its position. @throws ERR_INVALID_ARGUMENT as `push`
   */
  pushRead(region: number, width: 1 | 2 | 4, offset: number): number {
    requireAccess(region, width, offset);
    const position = this.#pushed & this.#mask;
    this.slots.writeAccess(position, Op.read, width, region, offset, 0);
    this.#pushed = (this.#pushed + 1) | 0;
    return position;
  }

  /**
   * Pushes a write of 8, 16 or 32 bits, without an object.
   * @param region handle @param offset bytes @param value whole; its low bits are written
   * @returns its position. @throws ERR_INVALID_ARGUMENT as `push`
   */
  pushWrite(region: number, width: 1 | 2 | 4, offset: number, value: number): number {
    requireAccess(region, width, offset);
    requireBits('value', value);
    const position = this.#pushed & this.#mask;
    this.slots.writeAccess(position, Op.write, width, region, offset, value);
    this.#pushed = (this.#pushed + 1) | 0;
    return position;
  }

  /** Takes back what was pushed and not published: it is not run. */
  withdraw(): void {
    this.#pushed = this.#produced;
  }

  /** Gives what was pushed to the worker, and wakes it if it sleeps. */
  publish(): void {
    this.#produced = this.#pushed;
    Atomics.store(this.#words, LANE.produced >> 2, this.#produced);
    if (Atomics.load(this.#control, WORKER.sleeping >> 2) !== 0) addon.workerWake(this.#descriptor.worker);
  }

  /** Takes the next answer, of which there must be one. @returns the position of its slot, valid until the next push */
  take(): number {
    const position = this.#taken & this.#mask;
    this.#taken = (this.#taken + 1) | 0;
    return position;
  }

  /** Asks for a signal at the next completion. @returns whether answers were there already, for which none will come */
  requestNotify(): boolean {
    Atomics.store(this.#words, LANE.notify >> 2, 1);
    return this.answered > 0;
  }

  /**
   * Waits until an answer can be taken: looks for it, then sleeps. Blocks the thread.
   * @param spins how often it looks first, natively, with a pause of some 20 ns each
   * @param timeoutMs milliseconds, 0 to 2,147,483,647
   * @returns false when the time passed, or nothing is pending. @throws ERR_INVALID_ARGUMENT, once it sleeps
   */
  waitForAnswer(spins: number, timeoutMs: number): boolean {
    if (this.pending === 0) return false;
    for (let look = 0; look < FIRST_LOOKS; look++) {
      if (this.answered > 0) return true;
    }
    addon.laneSpin(this.#descriptor.lane, this.#taken >>> 0, spins);
    return this.#sleepUntilAnswered(timeoutMs);
  }

  #sleepUntilAnswered(timeoutMs: number): boolean {
    requireNumber('timeoutMs', timeoutMs, 0, LONGEST_WAIT_MS);
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const completed = Atomics.load(this.#words, LANE.completed >> 2);
      if (((completed - this.#taken) | 0) > 0) return true;
      const left = deadline - performance.now();
      if (left <= 0) return false;
      addon.laneWait(this.#descriptor.lane, completed >>> 0, Math.ceil(Math.min(left, LONGEST_SLEEP_MS) * 1000));
    }
  }
}

function wrongCounts(pending: number, capacity: number): VfioError {
  return new VfioError(`the lane says that ${pending} of its ${capacity} slots are under way`, {
    code: 'ERR_PROTOCOL',
    hint: 'somebody wrote into its memory: close it, and make another one',
  });
}

/** Makes a lane on a worker. @param capacity slots, a power of two from 2 to 65,536 */
export function createLane(worker: IoWorkerHandle, capacity: number): LaneDescriptor {
  if (!isPowerOfTwo(capacity) || capacity < 2 || capacity > 65_536) {
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
