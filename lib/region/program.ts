import { isUint32, requireBits, requireInteger } from '../base/arguments.js';
import { VfioError } from '../base/errors.js';
import type { AsyncLane } from '../lane/async-lane.js';
import { BufferNumbers } from '../lane/buffer-numbers.js';
import { highWord, type Operation, Op, SLOT } from '../layout/slot.js';
import { addon } from '../native/addon.js';
import type { BufferNumber, RegionNumber } from '../native/lane.js';
import { ECANCELED } from '../uapi/errno.js';
import { checkRegionAccess, requireLongBits, type Width } from './access-checks.js';
import { checkBufferRange } from './copy-buffers.js';
import { type RegionDescriptor, requireDescriptor } from './descriptor.js';
import { type AnswerReader, submitToLane } from './lane-submission.js';
import { stepError } from './operation-error.js';
import {
  monotonicMicroseconds,
  normalizeCondition,
  type PollCondition,
  timeoutMicroseconds,
} from './poll-condition.js';
import {
  allocateSlots,
  type ProgramSlots,
  readStep,
  writeCondition,
  writeCopy,
  writeDeadline,
} from './program-slots.js';
import { StepRegions } from './step-regions.js';

const { programRun } = addon;

/** The region of a program's steps: a `Region`, or a `RegionAccess` on any other thread. */
export interface ProgramTarget {
  /** The descriptor of the region. */
  readonly descriptor: RegionDescriptor;
}

interface PollStep {
  readonly step: number;
  readonly timeoutMicroseconds: number;
}

// Offsets in a slot, in words of 32 bits. They are constants of this module, because V8 does not fold those of another one.
const WORDS = SLOT.size / 4;
const REGION = SLOT.region / 4;
const OFFSET = SLOT.offset / 4;
const VALUE = SLOT.value / 4;
const STATUS = SLOT.status / 4;

const NO_BUFFER = new SharedArrayBuffer(0);
/** A slot has 32 bits for the bytes of a program, 64 a step. */
const MOST_STEPS = 2 ** 26 - 1;

/**
 * A list of steps on regions that native code runs in order, in one call. A program is filled once and run often, or filled
 * anew for each run. Answers are read from the program's memory: running it creates no promise and no object for a step.
 *
 * Each method that adds a step returns the step's number, from 0 on. Offsets are bytes into the region. Values of up to
 * 32 bits are integers, of which the low bits are written. A step is checked against its region when it runs.
 * @throws from every method that adds a step: ERR_INVALID_ARGUMENT if a value is not an integer (for `write64`, a bigint) or
 * the offset is not a number; ERR_OUT_OF_RANGE if the offset is negative, too large or not an integer, or if the program is
 * full
 * Thread: the one that created it. `run` blocks this thread while it polls and while it accesses trapped parts: use
 * `Region.run` where an event loop runs.
 */
export class Program {
  readonly #slots: ProgramSlots;
  /** Those of `#slots`. */
  readonly #words: Uint32Array;
  readonly #regions: StepRegions;
  readonly #polls: PollStep[] = [];
  /** The buffers of the copies. A buffer's number is valid while the buffer is not collected. */
  readonly #buffers = new Set<SharedArrayBuffer>();
  #bufferNumbers: BufferNumbers | undefined;
  /** The buffer of the last copy, with its number and its size. The next copy often has the same one. */
  #buffer = NO_BUFFER;
  #bufferNumber: BufferNumber = 0;
  #bufferBytes = 0;
  #region: RegionDescriptor;
  /** Its number in the program. */
  #number: RegionNumber;
  #length = 0;
  #underWay = false;

  /**
   * Creates an empty program.
   * @param target the region of the steps that follow
   * @param capacity the most steps that fit, 1 to 67,108,863
   * @throws ERR_INVALID_ARGUMENT if `target` has no descriptor of a region, or `capacity` is out of range
   */
  constructor(
    target: ProgramTarget,
    /** The most steps that fit. */
    readonly capacity = 64,
  ) {
    requireInteger('capacity', capacity, 1, MOST_STEPS);
    requireDescriptor(target?.descriptor);
    this.#slots = allocateSlots(capacity);
    this.#words = this.#slots.words;
    this.#region = target.descriptor;
    this.#regions = new StepRegions(this.#slots.program);
    this.#number = this.#regions.set(0, this.#region);
  }

  /** The number of steps. */
  get length(): number {
    return this.#length;
  }

  /** Sets the region of the steps that follow. @throws ERR_INVALID_ARGUMENT if `target` has no descriptor of a region */
  on(target: ProgramTarget): this {
    requireDescriptor(target?.descriptor);
    this.#region = target.descriptor;
    this.#number = this.#regions.set(this.#length, this.#region);
    return this;
  }

  /** Removes all steps. The steps that follow are on the last region. */
  clear(): this {
    if (this.#polls.length > 0) this.#forgetPolls();
    if (this.#buffer !== NO_BUFFER) this.#forgetBuffers();
    this.#length = 0;
    if (this.#regions.isMixed) this.#number = this.#regions.clear(this.#region);
    return this;
  }

  /** Adds a read of 8 bits. */
  read8(offset: number): number {
    return this.#add(Op.read, 1, offset);
  }
  /** Adds a read of 16 bits. */
  read16(offset: number): number {
    return this.#add(Op.read, 2, offset);
  }
  /** Adds a read of 32 bits. */
  read32(offset: number): number {
    return this.#add(Op.read, 4, offset);
  }
  /** Adds a read of 64 bits; `value64` returns what it read. */
  read64(offset: number): number {
    return this.#add(Op.read, 8, offset);
  }
  /** Adds a write of 8 bits. */
  write8(offset: number, value: number): number {
    return this.#addWrite(Op.write, 1, offset, value);
  }
  /** Adds a write of 16 bits. */
  write16(offset: number, value: number): number {
    return this.#addWrite(Op.write, 2, offset, value);
  }
  /** Adds a write of 32 bits. */
  write32(offset: number, value: number): number {
    return this.#addWrite(Op.write, 4, offset, value);
  }
  /** Adds a write of 64 bits. */
  write64(offset: number, value: bigint): number {
    requireLongBits('value', value);
    const step = this.#add(Op.write, 8, offset);
    this.#slots.longs[(step * WORDS + VALUE) / 2] = value;
    return step;
  }

  /** Adds a write of 32 bits that happens after the device can see all earlier writes to memory. */
  doorbell32(offset: number, value: number): number {
    return this.#addWrite(Op.doorbell, 4, offset, value);
  }

  /** Adds a barrier: all memory accesses of earlier steps happen before those of later steps. */
  barrier(): number {
    return this.#add(Op.barrier, 0, 0);
  }

  /** Adds a read and a write that change the bits of `mask` to those of `value`. The step's value is what was read. */
  modify32(offset: number, mask: number, value: number): number {
    requireBits('mask', mask);
    requireBits('value', value);
    const step = this.#add(Op.modify, 4, offset);
    writeCondition(this.#slots, step, mask >>> 0, value >>> 0);
    return step;
  }

  /**
   * Adds a poll: reads until the condition holds. The step's value is the last one that was read.
   * @param timeoutMs milliseconds from the start of the run, 0 (looks for about 20 µs) to 2,147,483,647; then the step fails
   * with ERR_TIMEOUT
   * @throws ERR_INVALID_ARGUMENT if the condition or the timeout is wrong
   */
  pollUntil(offset: number, condition: PollCondition, timeoutMs: number): number {
    const microseconds = timeoutMicroseconds(timeoutMs);
    const { width, mask, value } = normalizeCondition(condition);
    const step = this.#add(Op.poll, width, offset);
    writeCondition(this.#slots, step, mask, value);
    this.#polls.push({ step, timeoutMicroseconds: microseconds });
    return step;
  }

  /**
   * Adds a copy from the region into memory, by accesses of `width` bytes.
   * @param offset bytes into the region, a multiple of `width`
   * @param length bytes, a multiple of `width`, at most 4,294,967,295
   * @param bufferOffset bytes into the buffer, a multiple of `width`
   * @throws ERR_OUT_OF_RANGE if the copy reaches beyond the region or the buffer; ERR_INVALID_ARGUMENT if an argument is wrong;
   * ERR_NOT_SUPPORTED if the region cannot be read
   */
  copyToBuffer(offset: number, length: number, buffer: SharedArrayBuffer, bufferOffset = 0, width: Width = 4): number {
    return this.#addCopy(Op.copyOut, offset, length, buffer, bufferOffset, width);
  }

  /**
   * Adds a copy from memory into the region, by accesses of `width` bytes.
   * @param offset bytes into the region, a multiple of `width`
   * @param length bytes, a multiple of `width`, at most 4,294,967,295
   * @param bufferOffset bytes into the buffer, a multiple of `width`
   * @throws ERR_OUT_OF_RANGE if the copy reaches beyond the region or the buffer; ERR_INVALID_ARGUMENT if an argument is wrong;
   * ERR_NOT_SUPPORTED if the region cannot be written
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
   * Runs all steps in order on this thread, until one fails. The program may run again.
   * @throws the error of the step that failed; the steps after it did not run: ERR_OUT_OF_RANGE; ERR_INVALID_ARGUMENT
   * (alignment); ERR_NOT_SUPPORTED (the region's flags); ERR_CLOSED; ERR_TIMEOUT; ERR_SHORT_TRANSFER; the errno of the
   * transfer. EBUSY if a worker runs the program
   */
  run(): void {
    this.#prepareRun();
    let ran = programRun(this.#slots.program, this.#length);
    while (ran < 0) ran = this.#continueRun(~ran);
    if (ran > 0 && this.status(ran - 1) !== 0) throw this.#stepError(ran - 1);
  }

  /**
   * @internal Runs all steps in order on the lane's worker, until one fails; see `Region.run`. The program must not be changed
   * meanwhile.
   */
  async runOn(lane: AsyncLane, signal?: AbortSignal): Promise<void> {
    this.#prepareRun();
    // If the worker dies or the run is aborted, each step tells whether it ran.
    for (let step = 0; step < this.#length; step++) this.#words[step * WORDS + STATUS] = -ECANCELED;
    const length = this.#length * SLOT.size;
    const operation = { op: Op.program, buffer: lane.numberOfProgram(this.#slots.program), length };
    this.#underWay = true;
    try {
      await submitToLane(lane, operation, signal, this.#answerReader);
    } finally {
      this.#underWay = false;
    }
  }

  /** Returns a step's status: 0, or a negative errno; -125 (ECANCELED) if the step did not run. */
  status(step: number): number {
    return (this.#words[step * WORDS + STATUS] ?? -ECANCELED) | 0;
  }

  /** Returns the low 32 bits of a step's value: what a read read. */
  value(step: number): number {
    return this.#words[step * WORDS + VALUE] ?? 0;
  }

  /** Returns all 64 bits of a step's value. */
  value64(step: number): bigint {
    return this.#slots.longs[(step * WORDS + VALUE) / 2] ?? 0n;
  }

  #add(op: Operation['op'], width: number, offset: number): number {
    const step = this.#length;
    if (step >= this.capacity) throw programFull(this.capacity);
    const high = isUint32(offset) ? 0 : this.#highWordOf(offset, width);
    const words = this.#words;
    const at = step * WORDS;
    words[at] = op | (width << 8);
    words[at + REGION] = this.#number;
    words[at + OFFSET] = offset;
    words[at + OFFSET + 1] = high;
    this.#length = step + 1;
    return step;
  }

  #addWrite(op: Operation['op'], width: number, offset: number, value: number): number {
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
    checkRegionAccess(this.#region, offset, width, length, op === Op.copyIn);
    if (buffer !== this.#buffer) this.#holdBuffer(buffer);
    checkBufferRange(this.#bufferBytes, bufferOffset, length, width);
    const step = this.#add(op, width, offset);
    writeCopy(this.#slots, step, this.#bufferNumber, bufferOffset, length);
    return step;
  }

  #holdBuffer(buffer: SharedArrayBuffer): void {
    this.#bufferNumbers ??= new BufferNumbers(this.#slots.program);
    this.#bufferNumber = this.#bufferNumbers.of(buffer);
    this.#buffer = buffer;
    this.#bufferBytes = buffer.byteLength;
    this.#buffers.add(buffer);
  }

  #forgetBuffers(): void {
    this.#buffer = NO_BUFFER;
    this.#buffers.clear();
  }

  /** Returns the bits of an offset above 32. @throws ERR_INVALID_ARGUMENT or ERR_OUT_OF_RANGE if no region has the offset */
  #highWordOf(offset: number, width: number): number {
    if (!Number.isSafeInteger(offset) || offset < 0) checkRegionAccess(this.#region, offset, width, width, false);
    return highWord(offset);
  }

  #prepareRun(): void {
    if (this.#underWay) throw new VfioError('the program is under way', { code: 'EBUSY', hint: 'await its run first' });
    if (this.#polls.length > 0) this.#setDeadlines();
  }

  #forgetPolls(): void {
    for (const { step } of this.#polls) writeDeadline(this.#slots, step, 0);
    this.#polls.length = 0;
  }

  /** A function of its own, because V8 terminates a thread at the start of a function, and in a loop only after many rounds. */
  #continueRun(ran: number): number {
    return programRun(this.#slots.program, this.#length, ran);
  }

  #setDeadlines(): void {
    const now = monotonicMicroseconds();
    for (const { step, timeoutMicroseconds } of this.#polls) {
      writeDeadline(this.#slots, step, now + timeoutMicroseconds);
    }
  }

  readonly #answerReader: AnswerReader<void> = {
    valueOf: () => undefined,
    errorOf: (status) => this.#runError(status),
  };

  /** Makes the error of a run on a worker. If no step failed, the run was aborted at the first step that did not run. */
  #runError(status: number): Error {
    let step = 0;
    while (step < this.#length - 1 && this.status(step) === 0) step++;
    return this.#stepError(step, this.status(step) === -ECANCELED ? status : this.status(step));
  }

  #stepError(step: number, status = this.status(step)): Error {
    return stepError(this.#regions.of(step), readStep(this.#slots, step), status);
  }
}

function programFull(capacity: number): VfioError {
  return new VfioError(`the program is full: it has room for ${capacity} steps`, {
    code: 'ERR_OUT_OF_RANGE',
    hint: 'create it with a larger `capacity`: `new Program(region, capacity)`',
  });
}
