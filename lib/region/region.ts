import { requireArray, requireBits, requireOptions, shown } from '../base/arguments.js';
import { invalidArgument } from '../base/errors.js';
import type { Fd, RegionInfo, VfioKernel } from '../kernel/kernel.js';
import type { AsyncLane } from '../lane/async-lane.js';
import { type Operation, Op, type SlotView } from '../layout/slot.js';
import { RegionAccess } from './access.js';
import { addStep, BatchPrograms, type BatchStep } from './batch.js';
import { bufferHandle, checkBuffer } from './buffers.js';
import { checkAccess, OPERATION_NAMES, statusError, type Width } from './checks.js';
import type { RegionDescriptor } from './descriptor.js';
import { toPromise } from '../base/sync-or-async.js';
import { closeRegion, openRegion } from './open.js';
import type { PlannedArea } from './plan.js';
import { Program } from './program.js';
import { submit } from './submit.js';
import { type PollCondition, pollBits, requireLongBits, waitMicroseconds } from './values.js';

/** What opening a region needs. */
export interface RegionSource {
  readonly kernel: VfioKernel;
  readonly device: Fd;
  readonly deviceName: string;
  readonly info: RegionInfo;
  /** Whether the region is I/O ports (bit 0 of its BAR). */
  readonly ioPort: boolean;
  /** Where in this region the MSI-X table lies, if it does. */
  readonly msixTable?: PlannedArea;
  /** Whether to map nothing of it. */
  readonly trap?: boolean;
  /** The lane that the region's asynchronous operations go through; a device's regions share one, to keep order. */
  readonly lane: AsyncLane;
}

/** Settings of an operation that waits. */
export interface WaitOptions {
  /** Milliseconds, 0 (it looks for some 20 µs) to 2,147,483,647; default 10,000. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
}

const DEFAULT_TIMEOUT_MS = 10_000;

/**
 * A region of an attached device. Its operations run on an I/O worker, in the order they were made, and never block the
 * event loop; `accessor` is the synchronous way for threads that may block.
 * Offsets are bytes into the region; values up to 32 bits are whole numbers, 64 bits bigints, and their low bits are
 * written, as many as the access has: -1 is all ones.
 * @throws (rejects) from every operation: ERR_OUT_OF_RANGE, ERR_INVALID_ARGUMENT (width, alignment, a value that is none),
 * ERR_NOT_SUPPORTED (the region's flags), ERR_CLOSED, ERR_SHORT_TRANSFER, ERR_WORKER_DIED, or the errno of the transfer
 * Thread: the one that attached the device.
 */
export class Region {
  #accessor: RegionAccess | undefined;
  #batches: BatchPrograms | undefined;

  private constructor(
    /** What another thread opens by `new RegionAccess(descriptor)`. */
    readonly descriptor: RegionDescriptor,
    readonly info: RegionInfo,
    private readonly lane: AsyncLane,
  ) {}

  /** Opens a region: maps what may be mapped, traps the rest. @throws what duplicating the device's file throws */
  static async open(source: RegionSource): Promise<Region> {
    return new Region(await openRegion(source), source.info, source.lane);
  }

  get regionIndex(): number {
    return this.descriptor.regionIndex;
  }
  /** Bytes. */
  get size(): number {
    return this.descriptor.size;
  }
  get readable(): boolean {
    return this.descriptor.readable;
  }
  get writable(): boolean {
    return this.descriptor.writable;
  }
  get ioPort(): boolean {
    return this.descriptor.ioPort;
  }
  /** `mapped` whole, `partly` mapped, or `trapped`. */
  get kind(): 'mapped' | 'partly' | 'trapped' {
    const { areas, size } = this.descriptor;
    if (areas.length === 0) return 'trapped';
    return areas.length === 1 && areas[0]?.size === size ? 'mapped' : 'partly';
  }

  /**
   * Raw views of the mapped areas, by ascending offset. Plain accesses to them are as fast as C's and may be merged,
   * repeated or left out by the compiler: for memory, not for registers. After detaching they read as 0xFF. An area of
   * more than 4 GiB, which no view holds in Node.js 20, has one for every 4 GiB.
   */
  get areas(): readonly { readonly regionOffset: number; readonly view: Uint8Array<SharedArrayBuffer> }[] {
    return this.accessor.areas;
  }

  /** The checked synchronous accessor; it may block this thread where the region is trapped. */
  get accessor(): RegionAccess {
    this.#accessor ??= new RegionAccess(this.descriptor);
    return this.#accessor;
  }

  async read8(offset: number): Promise<number> {
    return Number(await this.#access(Op.read, offset, 1, 0));
  }
  async read16(offset: number): Promise<number> {
    return Number(await this.#access(Op.read, offset, 2, 0));
  }
  async read32(offset: number): Promise<number> {
    return Number(await this.#access(Op.read, offset, 4, 0));
  }
  async read64(offset: number): Promise<bigint> {
    return BigInt(await this.#access(Op.read, offset, 8, 0n));
  }
  async write8(offset: number, value: number): Promise<void> {
    requireBits('value', value);
    await this.#access(Op.write, offset, 1, value);
  }
  async write16(offset: number, value: number): Promise<void> {
    requireBits('value', value);
    await this.#access(Op.write, offset, 2, value);
  }
  async write32(offset: number, value: number): Promise<void> {
    requireBits('value', value);
    await this.#access(Op.write, offset, 4, value);
  }
  async write64(offset: number, value: bigint): Promise<void> {
    requireLongBits('value', value);
    await this.#access(Op.write, offset, 8, value);
  }

  /** Writes 32 bits after all memory written before is visible to the device. */
  async doorbell32(offset: number, value: number): Promise<void> {
    requireBits('value', value);
    await this.#access(Op.doorbell, offset, 4, value);
  }

  /** Replaces the bits of `mask` by those of `value`. @returns what was read before */
  async modify32(offset: number, mask: number, value: number): Promise<number> {
    requireBits('mask', mask);
    requireBits('value', value);
    return Number(await this.#access(Op.modify, offset, 4, value, { mask }));
  }

  /**
   * Runs steps in order on the worker: a `Program` made of them, which is the way to run the same ones often.
   * @returns what each read; undefined for writes
   * @throws (rejects) without running any, when a step is no access of the region; (rejects) the error of the first step
   *   that failed, those after it have not run
   */
  async batch(steps: readonly BatchStep[]): Promise<(number | bigint | undefined)[]> {
    requireArray('steps', steps);
    const batches = (this.#batches ??= new BatchPrograms(this));
    const program = batches.take(steps.length);
    for (const step of steps) addStep(program, this.descriptor, step);
    await program.runOn(this.lane);
    const values = steps.map((step, index) => {
      if ('write' in step) return undefined;
      return step.width === 8 ? program.value64(index) : program.value(index);
    });
    batches.give(program);
    return values;
  }

  /**
   * Reads until `(what was read & mask) === value`, of which the low bits count, as many as an access has.
   * @returns the value that ended the wait. @throws (rejects) ERR_TIMEOUT, ERR_ABORTED
   */
  async pollUntil(offset: number, condition: PollCondition, options: WaitOptions = {}): Promise<number | bigint> {
    requireOptions(options);
    const { width, mask, value } = pollBits(condition);
    const wait = { signal: options.signal, timeoutMs: options.timeoutMs ?? DEFAULT_TIMEOUT_MS };
    return this.#access(Op.poll, offset, width, value, { mask }, wait);
  }

  /**
   * Has the worker run a program, in order with the other operations of the device: one operation, whatever its steps.
   * @throws (rejects) what `Program.run` throws, ERR_ABORTED (the steps left are not run), ERR_WORKER_DIED
   */
  async run(program: Program, options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    requireOptions(options);
    if (!(program instanceof Program)) throw invalidArgument(`${shown(program)} is no program`, 'give a Program');
    await program.runOn(this.lane, options.signal);
  }

  /**
   * Copies from the region into memory by accesses of `width` bytes.
   * @param offset bytes into the region, `bufferOffset` into the buffer, both multiples of `width`, as `length` is
   * @param length bytes, at most 4,294,967,295
   * @throws (rejects) ERR_OUT_OF_RANGE outside of the region or of the buffer, ERR_INVALID_ARGUMENT
   */
  async copyToBuffer(
    offset: number,
    length: number,
    buffer: SharedArrayBuffer,
    bufferOffset = 0,
    width: Width = 4,
  ): Promise<void> {
    await this.#copy(Op.copyOut, offset, length, buffer, bufferOffset, width);
  }

  /**
   * Copies from memory into the region by accesses of `width` bytes.
   * @param offset bytes into the region, `bufferOffset` into the buffer, both multiples of `width`, as `length` is
   * @param length bytes, at most 4,294,967,295
   * @throws (rejects) ERR_OUT_OF_RANGE outside of the region or of the buffer, ERR_INVALID_ARGUMENT
   */
  async copyFromBuffer(
    offset: number,
    length: number,
    buffer: SharedArrayBuffer,
    bufferOffset = 0,
    width: Width = 4,
  ): Promise<void> {
    await this.#copy(Op.copyIn, offset, length, buffer, bufferOffset, width);
  }

  /** Takes the region away from every thread; views turn to 0xFF. Closing twice does nothing. */
  close(): Promise<void> {
    return toPromise(() => closeRegion(this.descriptor));
  }

  async #copy(
    op: typeof Op.copyOut | typeof Op.copyIn,
    offset: number,
    length: number,
    buffer: SharedArrayBuffer,
    bufferOffset: number,
    width: Width,
  ): Promise<void> {
    checkAccess(this.descriptor, offset, width, length, op === Op.copyIn);
    // Held until it is answered, as the handle is good while somebody holds the memory.
    const target = { memory: buffer, buffer: bufferHandle(buffer), bufferOffset, length };
    checkBuffer(buffer.byteLength, bufferOffset, length, width);
    await this.#submit({ op, width, region: this.descriptor.handle, offset, ...target }, offset);
  }

  async #access(
    op: Operation['op'],
    offset: number,
    width: Width,
    value: number | bigint,
    more: Pick<Operation, 'mask'> = {},
    wait: WaitOptions = {},
  ): Promise<number | bigint> {
    const { handle } = this.descriptor;
    checkAccess(this.descriptor, offset, width, width, op === Op.write || op === Op.doorbell || op === Op.modify);
    const deadline = wait.timeoutMs === undefined ? 0 : deadlineAfter(wait.timeoutMs);
    return this.#submit({ op, width, region: handle, offset, value, deadline, ...more }, offset, wait.signal);
  }

  #submit(operation: Operation, offset: number, signal?: AbortSignal): Promise<number | bigint> {
    return submit(this.lane, operation, signal, {
      done: (slots, position) => valueOf(operation, slots, position),
      failed: (status) => statusError(this.descriptor, offset, status, OPERATION_NAMES[operation.op]),
    });
  }
}

function valueOf(operation: Operation, slots: SlotView, position: number): number | bigint {
  return operation.width === 8 ? slots.value64(position) : slots.value32(position);
}

/** The CLOCK_MONOTONIC of a moment from now, which process.hrtime counts; microseconds. */
function deadlineAfter(milliseconds: number): number {
  return Number(process.hrtime.bigint() / 1000n) + waitMicroseconds(milliseconds);
}
