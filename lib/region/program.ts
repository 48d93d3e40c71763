import { isUint32, requireBits, requireWhole } from '../base/arguments.js';
import type { AsyncLane } from '../lane/async-lane.js';
import { type Operation, Op, SLOT } from '../layout/slot.js';
import { addon } from '../native/addon.js';
import type { BufferHandle } from '../native/lane.js';
import { ECANCELED } from '../uapi/errno.js';
import { bufferHandle, checkBuffer } from './buffers.js';
import { VfioError } from '../base/errors.js';
import { checkAccess, OPERATION_NAMES, requireDescriptor, statusError, type Width } from './checks.js';
import type { RegionDescriptor } from './descriptor.js';
import { type Answer, submit } from './submit.js';
import { type PollCondition, pollBits, requireLongBits, waitMicroseconds } from './values.js';

const { programRun } = addon;

/** What a program's steps are made on: a `Region`, or a `RegionAccess` on any other thread. */
export interface ProgramTarget {
  readonly descriptor: RegionDescriptor;
}

/** From which step on they are made on a region. */
interface Stretch {
  readonly first: number;
  readonly region: RegionDescriptor;
}

interface PollTimeout {
  readonly step: number;
  readonly microseconds: number;
}

// A slot in words of 32 bits.
const WORDS = SLOT.size / 4;
const REGION = SLOT.region / 4;
const OFFSET = SLOT.offset / 4;
const VALUE = SLOT.value / 4;
const MASK = SLOT.mask / 4;
const BUFFER_OFFSET = SLOT.bufferOffset / 4;
const BUFFER = SLOT.buffer / 4;
const LENGTH = SLOT.length / 4;
const DEADLINE = SLOT.deadline / 4;
const STATUS = SLOT.status / 4;
/** Of a modify and a poll, which have no buffer, the value that they are given: where others have it, the answer goes. */
const INPUT = BUFFER_OFFSET;
const HIGH = 2 ** 32;
const NO_BUFFER = new SharedArrayBuffer(0);
/** The bytes of a program, 64 a step, are named in 32 bits. */
const MOST_STEPS = 2 ** 26 - 1;

/**
 * Steps on regions, filled once or anew each time, and run in order by native code in one call. A step's answer is read
 * from the memory that it was written to: no promise and no object is made. Each method adds a step and gives its number.
 * Offsets are bytes into the region, values up to 32 bits whole numbers, of which the low bits are written, as many as the
 * access has.
 *
 * A step is checked when it runs, against the region as it then is.
 * @throws from every method that adds a step: ERR_INVALID_ARGUMENT for what is no whole number (for `write64` no bigint),
 * ERR_OUT_OF_RANGE for what is no offset of any region, and where there is no room for another step
 * Thread: the one that made it. `run` blocks: what waits or is trapped is for `Region.run` there where an event loop is.
 */
export class Program {
  readonly #slots: Uint8Array<SharedArrayBuffer>;
  readonly #words: Uint32Array;
  readonly #longs: BigUint64Array;
  readonly #stretches: Stretch[] = [];
  readonly #polls: PollTimeout[] = [];
  /** What the steps copy from and to: a handle is good while somebody holds its buffer. */
  readonly #buffers = new Set<SharedArrayBuffer>();
  /** The buffer that was named last, as that of the next step often is, with its handle and its bytes. */
  #buffer = NO_BUFFER;
  #bufferHandle: BufferHandle = 0;
  #bufferBytes = 0;
  #region: RegionDescriptor;
  #handle: number;
  #length = 0;
  #underWay = false;

  /**
   * @param target the region of the steps that follow
   * @param capacity how many steps fit in, 1 to 67,108,863
   * @throws ERR_INVALID_ARGUMENT
   */
  constructor(
    target: ProgramTarget,
    readonly capacity = 64,
  ) {
    requireWhole('capacity', capacity, 1, MOST_STEPS);
    requireDescriptor(target?.descriptor);
    const memory = new SharedArrayBuffer(capacity * SLOT.size);
    this.#slots = new Uint8Array(memory);
    this.#words = new Uint32Array(memory);
    this.#longs = new BigUint64Array(memory);
    this.#region = target.descriptor;
    this.#handle = this.#region.handle;
    this.#stretches.push({ first: 0, region: this.#region });
  }

  /** How many steps there are. */
  get length(): number {
    return this.#length;
  }

  /** Has the steps that follow made on another region. */
  on(target: ProgramTarget): this {
    requireDescriptor(target?.descriptor);
    this.#region = target.descriptor;
    this.#handle = this.#region.handle;
    this.#stretches.push({ first: this.#length, region: this.#region });
    return this;
  }

  /** Takes all steps out. */
  clear(): this {
    if (this.#polls.length > 0) this.#forgetPolls();
    if (this.#buffer !== NO_BUFFER) this.#forgetBuffers();
    this.#length = 0;
    if (this.#stretches.length > 1) this.#stretches.splice(0, Infinity, { first: 0, region: this.#region });
    return this;
  }

  read8(offset: number): number {
    return this.#add(Op.read, 1, offset);
  }
  read16(offset: number): number {
    return this.#add(Op.read, 2, offset);
  }
  read32(offset: number): number {
    return this.#add(Op.read, 4, offset);
  }
  read64(offset: number): number {
    return this.#add(Op.read, 8, offset);
  }
  write8(offset: number, value: number): number {
    return this.#addValue(Op.write, 1, offset, value);
  }
  write16(offset: number, value: number): number {
    return this.#addValue(Op.write, 2, offset, value);
  }
  write32(offset: number, value: number): number {
    return this.#addValue(Op.write, 4, offset, value);
  }
  write64(offset: number, value: bigint): number {
    requireLongBits('value', value);
    const step = this.#add(Op.write, 8, offset);
    this.#put(step, VALUE, value);
    return step;
  }

  /** Writes 32 bits after all memory written before is visible to the device. */
  doorbell32(offset: number, value: number): number {
    return this.#addValue(Op.doorbell, 4, offset, value);
  }

  /** Orders all memory accesses of the steps before it with those after it. */
  barrier(): number {
    return this.#add(Op.barrier, 0, 0);
  }

  /** Replaces the bits of `mask` by those of `value`; the step's value is what was read before. */
  modify32(offset: number, mask: number, value: number): number {
    requireBits('mask', mask);
    requireBits('value', value);
    const step = this.#add(Op.modify, 4, offset);
    this.#put(step, INPUT, value >>> 0);
    this.#put(step, MASK, mask >>> 0);
    return step;
  }

  /**
   * Reads until `(value & mask) === value asked for`; the step's value is the one that ended the wait.
   * @param timeoutMs milliseconds from the start of `run`, 0 (it looks for some 20 µs) to 2,147,483,647; the step then fails
   * with ERR_TIMEOUT
   * @throws ERR_INVALID_ARGUMENT
   */
  pollUntil(offset: number, condition: PollCondition, timeoutMs: number): number {
    const microseconds = waitMicroseconds(timeoutMs);
    const { width, mask, value } = pollBits(condition);
    const step = this.#add(Op.poll, width, offset);
    this.#put(step, INPUT, value);
    this.#put(step, MASK, mask);
    this.#polls.push({ step, microseconds });
    return step;
  }

  /**
   * Copies from the region into memory by accesses of `width` bytes.
   * @param offset bytes into the region, `bufferOffset` into the buffer, both multiples of `width`, as `length` is
   * @param length bytes, at most 4,294,967,295
   * @throws ERR_OUT_OF_RANGE outside of the region or of the buffer, ERR_INVALID_ARGUMENT
   */
  copyToBuffer(offset: number, length: number, buffer: SharedArrayBuffer, bufferOffset = 0, width: Width = 4): number {
    return this.#addCopy(Op.copyOut, offset, length, buffer, bufferOffset, width);
  }

  /**
   * Copies from memory into the region by accesses of `width` bytes.
   * @param offset bytes into the region, `bufferOffset` into the buffer, both multiples of `width`, as `length` is
   * @param length bytes, at most 4,294,967,295
   * @throws ERR_OUT_OF_RANGE outside of the region or of the buffer, ERR_INVALID_ARGUMENT
   */
  copyFromBuffer(
    offset: number,
    length: number,
    buffer: SharedArrayBuffer,
    bufferOffset = 0,
    width: Width = 4,
  ): number {
    return this.#addCopy(Op.copyIn, offset, length, buffer, bufferOffset, width);
  }

  /**
   * Runs all steps in order until one fails. May be called again and again.
   * @throws the error of the step that failed: ERR_OUT_OF_RANGE, ERR_INVALID_ARGUMENT (alignment), ERR_NOT_SUPPORTED (the
   * region's flags), ERR_CLOSED, ERR_TIMEOUT, ERR_SHORT_TRANSFER, or the errno of the transfer. Those after it have not run.
   */
  run(): void {
    this.#prepareRun();
    let ran = programRun(this.#slots, this.#length);
    while (ran < 0) ran = this.#goOn(~ran);
    if (ran > 0 && this.status(ran - 1) !== 0) throw this.#failure(ran - 1);
  }

  /**
   * Has a worker run all steps in order until one fails; `Region.run` is the way here. They must not be changed until then.
   * @throws (rejects) what `run` throws, ERR_ABORTED, ERR_WORKER_DIED
   */
  async runOn(lane: AsyncLane, signal?: AbortSignal): Promise<void> {
    this.#prepareRun();
    // Whatever happens, a step that was not run says so.
    for (let step = 0; step < this.#length; step++) this.#words[step * WORDS + STATUS] = -ECANCELED;
    const length = this.#length * SLOT.size;
    const operation = { op: Op.program, buffer: bufferHandle(this.#slots.buffer), length };
    this.#underWay = true;
    try {
      await submit(lane, operation, signal, this.#answer);
    } finally {
      this.#underWay = false;
    }
  }

  /** A step's answer: 0, or a negative errno; -125 (ECANCELED) when a step before it failed. */
  status(step: number): number {
    return (this.#words[step * WORDS + STATUS] ?? -ECANCELED) | 0;
  }

  /** The low 32 bits of a step's value. */
  value(step: number): number {
    return this.#words[step * WORDS + VALUE] ?? 0;
  }

  /** All 64 bits of a step's value. */
  value64(step: number): bigint {
    return this.#longs[(step * WORDS + VALUE) / 2] ?? 0n;
  }

  #add(op: Operation['op'], width: number, offset: number): number {
    const step = this.#length;
    if (step >= this.capacity) throw usedUp(this.capacity);
    const high = isUint32(offset) ? 0 : this.#highOf(offset, width);
    const words = this.#words;
    const at = step * WORDS;
    words[at] = op | (width << 8);
    words[at + REGION] = this.#handle;
    words[at + OFFSET] = offset;
    words[at + OFFSET + 1] = high;
    this.#length = step + 1;
    return step;
  }

  #addValue(op: Operation['op'], width: number, offset: number, value: number): number {
    requireBits('value', value);
    const step = this.#add(op, width, offset);
    this.#words[step * WORDS + VALUE] = value;
    this.#words[step * WORDS + VALUE + 1] = 0;
    return step;
  }

  #addCopy(
    op: Operation['op'],
    offset: number,
    length: number,
    buffer: SharedArrayBuffer,
    bufferOffset: number,
    width: Width,
  ): number {
    checkAccess(this.#region, offset, width, length, op === Op.copyIn);
    if (buffer !== this.#buffer) this.#hold(buffer);
    checkBuffer(this.#bufferBytes, bufferOffset, length, width);
    const step = this.#add(op, width, offset);
    this.#words[step * WORDS + LENGTH] = length;
    this.#words[step * WORDS + BUFFER] = this.#bufferHandle;
    this.#put(step, BUFFER_OFFSET, bufferOffset);
    return step;
  }

  #hold(buffer: SharedArrayBuffer): void {
    this.#bufferHandle = bufferHandle(buffer);
    this.#buffer = buffer;
    this.#bufferBytes = buffer.byteLength;
    this.#buffers.add(buffer);
  }

  #forgetBuffers(): void {
    this.#buffer = NO_BUFFER;
    this.#buffers.clear();
  }

  #put(step: number, word: number, value: number | bigint): void {
    const at = step * WORDS + word;
    if (typeof value === 'bigint') {
      this.#longs[at / 2] = value;
    } else {
      this.#words[at] = value;
      this.#words[at + 1] = value < HIGH ? 0 : Math.floor(value / HIGH);
    }
  }

  /** Of an offset that one word does not hold. @throws as `checkAccess` for what is no offset at all */
  #highOf(offset: number, width: number): number {
    if (!Number.isSafeInteger(offset) || offset < 0) checkAccess(this.#region, offset, width, width, false);
    return Math.floor(offset / HIGH);
  }

  #prepareRun(): void {
    if (this.#underWay) throw new VfioError('the program is under way', { code: 'EBUSY', hint: 'await it first' });
    if (this.#polls.length > 0) this.#setDeadlines();
  }

  #forgetPolls(): void {
    for (const { step } of this.#polls) this.#put(step, DEADLINE, 0);
    this.#polls.length = 0;
  }

  /** A function of its own: V8 ends a thread that is to end where a function begins, in a loop only after many rounds. */
  #goOn(ran: number): number {
    return programRun(this.#slots, this.#length, ran);
  }

  #setDeadlines(): void {
    // CLOCK_MONOTONIC, which hrtime counts; its pair of numbers costs less than a bigint.
    const [seconds, nanoseconds] = process.hrtime();
    const now = seconds * 1e6 + Math.ceil(nanoseconds / 1000);
    for (const { step, microseconds } of this.#polls) this.#put(step, DEADLINE, now + microseconds);
  }

  readonly #answer: Answer<void> = {
    done: () => undefined,
    failed: (status) => this.#programFailure(status),
  };

  /** Of a program that was stopped from outside, no step has failed; the first that was not run stands for it. */
  #programFailure(status: number): Error {
    let step = 0;
    while (step < this.#length - 1 && this.status(step) === 0) step++;
    return this.#failure(step, this.status(step) === -ECANCELED ? status : this.status(step));
  }

  #failure(step: number, status = this.status(step)): Error {
    const { region } = this.#stretches.findLast(({ first }) => first <= step) as Stretch;
    const offset = Number(this.#longs[(step * WORDS + OFFSET) / 2]);
    const op = this.#slots[step * SLOT.size] as Operation['op'];
    const width = this.#slots[step * SLOT.size + SLOT.width] as number;
    const length = op === Op.copyOut || op === Op.copyIn ? (this.#words[step * WORDS + LENGTH] as number) : width;
    const write = op === Op.write || op === Op.modify || op === Op.copyIn || op === Op.doorbell;
    try {
      checkAccess(region, offset, width, length, write);
    } catch (error) {
      return error as Error;
    }
    return statusError(region, offset, status, OPERATION_NAMES[op]);
  }
}

function usedUp(capacity: number): VfioError {
  return new VfioError(`the program's ${capacity} steps are used up`, {
    code: 'ERR_OUT_OF_RANGE',
    hint: 'make it with room for more: `new Program(region, capacity)`',
  });
}
