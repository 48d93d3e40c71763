import { LONGEST_WAIT_MS, requireBits, requireNumber } from '../base/arguments.js';
import { VfioError } from '../base/errors.js';
import { LANE, WORKER } from '../layout/lane.js';
import { Op, type Operation, SlotView } from '../layout/slot.js';
import { addon } from '../native/addon.js';
import { type LaneDescriptor, requireLaneDescriptor } from './descriptor.js';
import { requireOperation, requireShortAccess } from './operation.js';

/** Reads of the index here, before the addon is called. Most answers of a worker that spins arrive within them. */
const FIRST_LOOKS = 100;
/** The longest sleep in native code. `worker.terminate()` ends a thread only when it returns to JavaScript. */
const LONGEST_SLEEP_MS = 50;

/**
 * The producer's end of a lane. It pushes operations, publishes them together and takes their answers in order. It never
 * allocates, and only `waitForAnswer` waits.
 *
 * `room` slots are free and `pending` slots are in use. Of the slots in use, `answered` can be taken now. Counts include
 * all slots ever used: they are u32 and wrap.
 *
 * If an earlier producer of the lane left operations under way, they are pending here and their answers come first.
 * Thread: any thread of the process, one at a time.
 */
export class LaneProducer {
  /** The lane's slots. `push` and `take` return positions in them. */
  readonly slots: SlotView;
  /** How many slots the lane has. */
  readonly capacity: number;
  readonly #words: Int32Array;
  readonly #control: Int32Array;
  readonly #descriptor: LaneDescriptor;
  readonly #mask: number;
  #pushed: number;
  #produced: number;
  #taken: number;

  /**
   * Opens a lane on this thread.
   * @param descriptor what `pool.createLane()` returned
   * @throws ERR_INVALID_ARGUMENT if `descriptor` is not a LaneDescriptor; EBADF if the lane is closed; ERR_PROTOCOL if the
   * counts in the lane's memory are ones that no producer writes
   */
  constructor(descriptor: LaneDescriptor) {
    requireLaneDescriptor(descriptor);
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

  /** How many operations can be pushed before an answer is taken. */
  get room(): number {
    return (this.capacity - (this.#pushed - this.#taken)) | 0;
  }

  /** How many operations were pushed and not taken. */
  get pending(): number {
    return (this.#pushed - this.#taken) | 0;
  }

  /** How many answers can be taken now. */
  get answered(): number {
    return (Atomics.load(this.#words, LANE.completed >> 2) - this.#taken) | 0;
  }

  /**
   * Writes an operation into the next slot. The caller checks `room` first.
   * @returns the slot's position
   * @throws ERR_INVALID_ARGUMENT if the operation does not fit into a slot; the slot stays free
   */
  push(operation: Operation): number {
    requireOperation(operation);
    const position = this.#pushed & this.#mask;
    this.slots.write(position, operation);
    this.#pushed = (this.#pushed + 1) | 0;
    return position;
  }

  /**
   * Pushes a read of 8, 16 or 32 bits. Allocates nothing.
   * @param region the region's number in the lane: `pool.addRegion(lane, region)`
   * @param width bytes
   * @param offset bytes into the region
   * @returns the slot's position
   * @throws ERR_INVALID_ARGUMENT if an argument does not fit into a slot; the slot stays free
   */
  pushRead(region: number, width: 1 | 2 | 4, offset: number): number {
    requireShortAccess(region, width, offset);
    const position = this.#pushed & this.#mask;
    this.slots.writeAccess(position, Op.read, width, region, offset, 0);
    this.#pushed = (this.#pushed + 1) | 0;
    return position;
  }

  /**
   * Pushes a write of 8, 16 or 32 bits. Allocates nothing.
   * @param region the region's number in the lane: `pool.addRegion(lane, region)`
   * @param width bytes
   * @param offset bytes into the region
   * @param value an integer, of which the low bits are written
   * @returns the slot's position
   * @throws ERR_INVALID_ARGUMENT if an argument does not fit into a slot; the slot stays free
   */
  pushWrite(region: number, width: 1 | 2 | 4, offset: number, value: number): number {
    requireShortAccess(region, width, offset);
    requireBits('value', value);
    const position = this.#pushed & this.#mask;
    this.slots.writeAccess(position, Op.write, width, region, offset, value);
    this.#pushed = (this.#pushed + 1) | 0;
    return position;
  }

  /** Removes the operations that were pushed and not published. They do not run. */
  withdraw(): void {
    this.#pushed = this.#produced;
  }

  /** Makes the pushed operations visible to the worker, and wakes the worker if it sleeps. */
  publish(): void {
    this.#produced = this.#pushed;
    Atomics.store(this.#words, LANE.produced >> 2, this.#produced);
    if (Atomics.load(this.#control, WORKER.sleeping >> 2) !== 0) addon.workerWake(this.#descriptor.worker);
  }

  /** Takes the next answer. The caller checks `answered` first. @returns the slot's position, valid until the next push */
  take(): number {
    const position = this.#taken & this.#mask;
    this.#taken = (this.#taken + 1) | 0;
    return position;
  }

  /**
   * Asks the worker to signal the lane's notifier at the next completion.
   * @returns whether answers can be taken already; the worker may send no signal for those
   */
  requestNotify(): boolean {
    Atomics.store(this.#words, LANE.notify >> 2, 1);
    return this.answered > 0;
  }

  /**
   * Waits until an answer can be taken. Spins first, then sleeps. Blocks the thread.
   * @param spins how often native code looks before it sleeps, with a pause of about 20 ns after each look
   * @param timeoutMs milliseconds, 0 to 2,147,483,647
   * @returns false if the time has passed, or if nothing is pending
   * @throws ERR_INVALID_ARGUMENT if `timeoutMs` is out of range; checked only before it sleeps
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
  return new VfioError(`the lane's memory counts ${pending} pending operations in ${capacity} slots`, {
    code: 'ERR_PROTOCOL',
    hint: 'its memory was overwritten: close the lane and create another one',
  });
}
