import { argumentError, requireArray, requireBits, requireOptions } from '../base/arguments.js';
import type { VfioError } from '../base/errors.js';
import { toPromise } from '../base/sync-or-async.js';
import type { RegionInfo } from '../kernel/kernel.js';
import type { AsyncLane } from '../lane/async-lane.js';
import { type Operation, Op, type SlotView } from '../layout/slot.js';
import type { RegionNumber } from '../native/lane.js';
import { checkRegionAccess, requireLongBits, type Width } from './access-checks.js';
import { addStep, BatchPrograms, type BatchStep } from './batch.js';
import { checkBufferRange } from './copy-buffers.js';
import type { RegionDescriptor } from './descriptor.js';
import { submitToLane } from './lane-submission.js';
import { closeRegion, type OpenedRegion, openRegion, type RegionSource } from './open.js';
import { MappingWatch } from './mapping-watch.js';
import { OPERATION_NAMES, operationError } from './operation-error.js';
import {
  monotonicMicroseconds,
  normalizeCondition,
  type PollCondition,
  timeoutMicroseconds,
} from './poll-condition.js';
import { Program } from './program.js';
import { RegionAccess } from './region-access.js';

/** The options of an operation that waits. */
export interface WaitOptions {
  /** When it gives up, milliseconds, 0 (looks for about 20 µs) to 2,147,483,647. Default 10,000. */
  readonly timeoutMs?: number;
  /** Aborts it. */
  readonly signal?: AbortSignal | undefined;
}

const DEFAULT_POLL_TIMEOUT_MS = 10_000;

/**
 * A region of an attached device. Its operations run on an I/O worker, in the order in which they were called, and never
 * block the event loop. `accessor` is the synchronous way, for threads that may block.
 *
 * Offsets are bytes into the region. Values of up to 32 bits are integers, values of 64 bits bigints. Their low bits are
 * written: -1 sets all bits.
 * @throws (rejects) from every operation: ERR_OUT_OF_RANGE if it reaches beyond the region; ERR_INVALID_ARGUMENT if an
 * argument has the wrong type or the offset is not a multiple of the width; ERR_NOT_SUPPORTED if the region cannot be read,
 * or written; ERR_CLOSED; ERR_REVOKED; ERR_SHORT_TRANSFER; ERR_WORKER_DIED; the errno of the transfer
 * Thread: the one that attached the device.
 */
export class Region {
  #accessor: RegionAccess | undefined;
  #batches: BatchPrograms | undefined;

  /** What another thread opens by `new RegionAccess(descriptor)`. */
  readonly descriptor: RegionDescriptor;
  /** What the kernel told about the region. */
  readonly info: RegionInfo;
  /**
   * Why the kernel refused to map areas that could be mapped; empty if it mapped all of them. The region works all the same:
   * these areas are trapped, which is slower. The channel `vfio-engine:map-failed` publishes each error too.
   */
  readonly mapErrors: readonly VfioError[];
  readonly #lane: AsyncLane;
  /** The region's number in the lane. */
  readonly #number: RegionNumber;
  readonly #source: Pick<RegionSource, 'kernel' | 'device'>;
  #mappings: readonly MappingWatch[] | undefined;

  private constructor(source: RegionSource, { descriptor, number, mapErrors }: OpenedRegion) {
    const { info, lane } = source;
    this.#source = source;
    this.descriptor = descriptor;
    this.info = info;
    this.mapErrors = mapErrors;
    this.#lane = lane;
    this.#number = number;
  }

  /**
   * @internal Opens a region: maps the areas that the kernel lets it map, and traps the rest. `Device.region` returns the
   * regions of a device.
   * @throws (rejects) EMFILE if the device's file cannot be duplicated, or too many regions are open
   */
  static async open(source: RegionSource): Promise<Region> {
    return new Region(source, await openRegion(source));
  }

  /** VFIO_PCI_BAR0_REGION_INDEX and so on. */
  get regionIndex(): number {
    return this.descriptor.regionIndex;
  }
  /** Bytes. */
  get size(): number {
    return this.descriptor.size;
  }
  /** Whether the region can be read. */
  get readable(): boolean {
    return this.descriptor.readable;
  }
  /** Whether the region can be written. */
  get writable(): boolean {
    return this.descriptor.writable;
  }
  /** Whether the region is I/O ports. */
  get ioPort(): boolean {
    return this.descriptor.ioPort;
  }
  /** How much of the region is mapped: all (`mapped`), areas of it (`partly`), or nothing (`trapped`). */
  get kind(): 'mapped' | 'partly' | 'trapped' {
    const { areas, size } = this.descriptor;
    if (areas.length === 0) return 'trapped';
    return areas.length === 1 && areas[0]?.size === size ? 'mapped' : 'partly';
  }

  /**
   * Raw views of the mapped areas, by ascending offset. An access is as fast as in C, but the compiler may merge, repeat or
   * leave out accesses: use views for memory, not for registers. After the device is detached they read as 0xFF. An area
   * of more than 4 GiB has a view for every 4 GiB, because typed arrays of Node.js 20 are not longer.
   * @throws ERR_CLOSED if the region is closed and was not accessed before
   */
  get areas(): readonly { readonly regionOffset: number; readonly view: Uint8Array<SharedArrayBuffer> }[] {
    return this.accessor.areas;
  }

  /**
   * Whether a mapped area is revoked: the device did not answer an access (memory decoding off, low power, a reset). A revoked area
   * reads as 0xFF, loses what views write to it, and ends checked accesses with ERR_REVOKED. The engine restores the mapping as
   * soon as the device answers again.
   */
  get revoked(): boolean {
    return this.mappings.some(({ revoked, closed }) => revoked && !closed);
  }

  /** @internal The states of the mapped areas, in their order. */
  get mappings(): readonly MappingWatch[] {
    this.#mappings ??= this.descriptor.areas.map(({ mapping }) => new MappingWatch(mapping));
    return this.#mappings;
  }

  /** @internal Maps the revoked areas again. @throws (rejects) the kernel's errno; the areas left stay revoked */
  async restoreMappings(): Promise<void> {
    const { kernel, device } = this.#source;
    for (const [index, { mapping, offset }] of this.descriptor.areas.entries()) {
      if (this.mappings[index]?.revoked !== true) continue;
      await kernel.restoreMapping(device, mapping, this.info.offset + BigInt(offset));
    }
  }

  /**
   * The checked, synchronous accessor. It blocks this thread while it accesses a trapped part.
   * @throws ERR_CLOSED if the region is closed and was not accessed before
   */
  get accessor(): RegionAccess {
    this.#accessor ??= new RegionAccess(this.descriptor);
    return this.#accessor;
  }

  /** Reads 8 bits. */
  async read8(offset: number): Promise<number> {
    return Number(await this.#access(Op.read, offset, 1, 0));
  }
  /** Reads 16 bits. */
  async read16(offset: number): Promise<number> {
    return Number(await this.#access(Op.read, offset, 2, 0));
  }
  /** Reads 32 bits. */
  async read32(offset: number): Promise<number> {
    return Number(await this.#access(Op.read, offset, 4, 0));
  }
  /** Reads 64 bits. */
  async read64(offset: number): Promise<bigint> {
    return BigInt(await this.#access(Op.read, offset, 8, 0n));
  }
  /** Writes the low 8 bits of a value. */
  async write8(offset: number, value: number): Promise<void> {
    requireBits('value', value);
    await this.#access(Op.write, offset, 1, value);
  }
  /** Writes the low 16 bits of a value. */
  async write16(offset: number, value: number): Promise<void> {
    requireBits('value', value);
    await this.#access(Op.write, offset, 2, value);
  }
  /** Writes the low 32 bits of a value. */
  async write32(offset: number, value: number): Promise<void> {
    requireBits('value', value);
    await this.#access(Op.write, offset, 4, value);
  }
  /** Writes the low 64 bits of a value. */
  async write64(offset: number, value: bigint): Promise<void> {
    requireLongBits('value', value);
    await this.#access(Op.write, offset, 8, value);
  }

  /** Writes the low 32 bits of a value, after the device can see all earlier writes to memory. */
  async doorbell32(offset: number, value: number): Promise<void> {
    requireBits('value', value);
    await this.#access(Op.doorbell, offset, 4, value);
  }

  /** Changes the bits of `mask` to those of `value`, by a read and a write. @returns the value that was read */
  async modify32(offset: number, mask: number, value: number): Promise<number> {
    requireBits('mask', mask);
    requireBits('value', value);
    return Number(await this.#access(Op.modify, offset, 4, value, { mask }));
  }

  /**
   * Runs reads and writes in order on the worker, as one operation. Use a `Program` to run the same steps often.
   * @returns a value for each step: what a read read, undefined for a write
   * @throws (rejects) ERR_INVALID_ARGUMENT or ERR_OUT_OF_RANGE if a step is not an access of the region, before any step
   * runs; the error of the first step that failed, and then the steps after it did not run
   */
  async batch(steps: readonly BatchStep[]): Promise<(number | bigint | undefined)[]> {
    requireArray('steps', steps);
    const batches = (this.#batches ??= new BatchPrograms(this));
    const program = batches.take(steps.length);
    for (const step of steps) addStep(program, this.descriptor, step);
    await program.runOn(this.#lane);
    const values = steps.map((step, index) => {
      if ('write' in step) return undefined;
      return step.width === 8 ? program.value64(index) : program.value(index);
    });
    batches.give(program);
    return values;
  }

  /**
   * Reads until `(register & mask) === value`.
   * @returns the last value that was read
   * @throws (rejects) ERR_TIMEOUT; ERR_ABORTED
   */
  async pollUntil(offset: number, condition: PollCondition, options: WaitOptions = {}): Promise<number | bigint> {
    requireOptions(options);
    const { width, mask, value } = normalizeCondition(condition);
    const wait = { signal: options.signal, timeoutMs: options.timeoutMs ?? DEFAULT_POLL_TIMEOUT_MS };
    return this.#access(Op.poll, offset, width, value, { mask }, wait);
  }

  /**
   * Runs a program on the worker, as one operation in order with the device's other operations. The program must not be
   * changed meanwhile.
   * @param options `signal` aborts the program; the steps that are left do not run
   * @throws (rejects) what `Program.run` throws; ERR_INVALID_ARGUMENT if `program` is not a Program; ERR_ABORTED;
   * ERR_WORKER_DIED
   */
  async run(program: Program, options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    requireOptions(options);
    if (!(program instanceof Program)) throw argumentError('program', 'a Program', program);
    await program.runOn(this.#lane, options.signal);
  }

  /**
   * Copies from the region into memory, by accesses of `width` bytes.
   * @param offset bytes into the region, a multiple of `width`
   * @param length bytes, a multiple of `width`, at most 4,294,967,295
   * @param bufferOffset bytes into the buffer, a multiple of `width`
   * @throws (rejects) ERR_OUT_OF_RANGE if the copy reaches beyond the region or the buffer; ERR_INVALID_ARGUMENT
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
   * Copies from memory into the region, by accesses of `width` bytes.
   * @param offset bytes into the region, a multiple of `width`
   * @param length bytes, a multiple of `width`, at most 4,294,967,295
   * @param bufferOffset bytes into the buffer, a multiple of `width`
   * @throws (rejects) ERR_OUT_OF_RANGE if the copy reaches beyond the region or the buffer; ERR_INVALID_ARGUMENT
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

  /** @internal Takes the region away from every thread and puts memory of 0xFF under its views. A second call does nothing. */
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
    checkRegionAccess(this.descriptor, offset, width, length, op === Op.copyIn);
    // `memory` keeps the buffer from being collected, which would make its number invalid, until the answer comes.
    const target = { memory: buffer, buffer: this.#lane.numberOf(buffer), bufferOffset, length };
    checkBufferRange(buffer.byteLength, bufferOffset, length, width);
    await this.#submit({ op, width, region: this.#number, offset, ...target }, offset);
  }

  async #access(
    op: Operation['op'],
    offset: number,
    width: Width,
    value: number | bigint,
    more: Pick<Operation, 'mask'> = {},
    wait: WaitOptions = {},
  ): Promise<number | bigint> {
    checkRegionAccess(this.descriptor, offset, width, width, op === Op.write || op === Op.doorbell || op === Op.modify);
    const deadline = wait.timeoutMs === undefined ? 0 : monotonicMicroseconds() + timeoutMicroseconds(wait.timeoutMs);
    return this.#submit({ op, width, region: this.#number, offset, value, deadline, ...more }, offset, wait.signal);
  }

  #submit(operation: Operation, offset: number, signal?: AbortSignal): Promise<number | bigint> {
    return submitToLane(this.#lane, operation, signal, {
      valueOf: (slots, position) => valueOf(operation, slots, position),
      errorOf: (status) => operationError(this.descriptor, offset, status, OPERATION_NAMES[operation.op]),
    });
  }
}

function valueOf(operation: Operation, slots: SlotView, position: number): number | bigint {
  return operation.width === 8 ? slots.value64(position) : slots.value32(position);
}
