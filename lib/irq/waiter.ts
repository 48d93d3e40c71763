import { availableParallelism } from 'node:os';

import {
  argumentError,
  isObject,
  LONGEST_WAIT_MS,
  requireFd,
  requireNumber,
  requireOptions,
} from '../base/arguments.js';
import { VfioError } from '../base/errors.js';
import type { Fd } from '../kernel/kernel.js';
import { addon } from '../native/addon.js';
import {
  abortedError,
  disabledError,
  IrqVector,
  type NextOptions,
  requireWait,
  takeLent,
  timeoutError,
} from './vector.js';

/**
 * A vector for another thread. Structured clone copies it: `workerData`, `postMessage`, the `args` of a driver function.
 * Its file descriptor is a duplicate. Create exactly one `IrqWaiter` of it, which owns and closes the file descriptor. If none
 * was created when the device is detached, the file descriptor is closed then.
 */
export interface IrqDescriptor {
  /** An eventfd. */
  readonly fd: Fd;
  /** 1 after the vector is disabled. Writer: the thread that attached the device. */
  readonly off: Int32Array<SharedArrayBuffer>;
  /** 1 after an `IrqWaiter` was created. Writers: both threads. */
  readonly taken: Int32Array<SharedArrayBuffer>;
}

/** Settings of a wait that blocks the thread. */
export interface WaitForIrqOptions {
  /** Milliseconds, 0 to 2,147,483,647, after which the wait fails with ERR_TIMEOUT. Default: 10,000. */
  readonly timeoutMs?: number;
  /** Microseconds, 0 to 1000, for which the thread polls before it sleeps. Default: 20; 0 on a machine of one CPU. */
  readonly spinMicroseconds?: number;
}

const DEFAULT_WAIT_MS = 10_000;
const MAX_SPIN_US = 1000;
const DEFAULT_SPIN_US = availableParallelism() > 1 ? 20 : 0;
/** The longest time in native code. After it the thread notices that the vector was disabled, and can be terminated. */
const MAX_NATIVE_WAIT_MS = 50;

/** Waits for the interrupts of a vector in any thread. Each interrupt is counted once. Thread: the one that created it. */
export class IrqWaiter {
  readonly #vector: IrqVector;
  readonly #off: Int32Array<SharedArrayBuffer>;

  /**
   * Takes ownership of the descriptor's file descriptor. `close` closes it, or the end of this thread.
   * @param descriptor from `DeviceIrq.descriptor`
   * @throws ERR_INVALID_ARGUMENT if it is not an IrqDescriptor; ERR_CLOSED if another waiter has taken it or the device was detached
   */
  constructor(descriptor: IrqDescriptor) {
    const isDescriptor = isObject(descriptor) && [descriptor.off, descriptor.taken].every(isFlag);
    if (!isDescriptor) {
      throw argumentError('descriptor', 'an IrqDescriptor', descriptor);
    }
    const { fd, off } = descriptor;
    requireFd('descriptor.fd', fd);
    if (!takeLent(descriptor)) throw takenError();
    this.#vector = IrqVector.adopt(fd);
    this.#off = off;
  }

  /**
   * Blocks the thread until interrupts arrive.
   * @returns their number since the last call
   * @throws ERR_INVALID_ARGUMENT; ERR_TIMEOUT; ERR_CLOSED after the vector was disabled and its last interrupts were returned
   */
  wait(options: WaitForIrqOptions = {}): number {
    requireOptions(options);
    const { timeoutMs = DEFAULT_WAIT_MS, spinMicroseconds = DEFAULT_SPIN_US } = options;
    requireNumber('timeoutMs', timeoutMs, 0, LONGEST_WAIT_MS);
    requireNumber('spinMicroseconds', spinMicroseconds, 0, MAX_SPIN_US);
    const first = this.#vector.take();
    if (first > 0) return first;
    const deadline = performance.now() + timeoutMs;
    for (let left = timeoutMs; ; left = deadline - performance.now()) {
      // Read before the eventfd: interrupts that arrived before the vector was disabled are still returned.
      const off = this.#isOff;
      const blockMs = off ? 0 : Math.max(0, Math.min(left, MAX_NATIVE_WAIT_MS));
      const count = addon.eventfdWait(this.#vector.fd, blockMs, spinMicroseconds);
      if (count > 0) return count;
      if (off) throw disabledError();
      if (left <= blockMs) throw timeoutError(timeoutMs);
    }
  }

  /**
   * Waits for interrupts without blocking the thread.
   * @returns their number since the last call
   * @throws (rejects) as `wait`, and ERR_ABORTED
   */
  async next(options: NextOptions = {}): Promise<number> {
    requireWait(options);
    if (options.signal?.aborted) throw abortedError(options.signal.reason);
    const count = this.take();
    if (count > 0) return count;
    if (this.#isOff) throw disabledError();
    this.#watch();
    return this.#vector.next(options);
  }

  /** Returns the number of interrupts since the last call, without waiting; 0 if none arrived. */
  take(): number {
    const known = this.#vector.take();
    return known + addon.eventfdRead(this.#vector.fd);
  }

  /** Sets whether the waiter keeps the event loop of its thread alive after a call of `next`. */
  setRef(ref: boolean): void {
    this.#vector.setRef(ref);
  }

  /** Ends the waits and closes the file descriptor. Closing twice has no effect. */
  close(): void {
    this.#vector.close();
  }

  get #isOff(): boolean {
    return Atomics.load(this.#off, 0) !== 0;
  }

  #watch(): void {
    if (!this.#vector.watch()) return;
    const end = Atomics.waitAsync(this.#off, 0, 0);
    // When the vector is disabled, its last interrupts go to the waits, then the waits end.
    if (end.async) void end.value.then(() => this.#vector.end());
    else this.#vector.end();
  }
}

function isFlag(value: unknown): boolean {
  return value instanceof Int32Array && value.length > 0;
}

function takenError(): VfioError {
  const hint = 'call `descriptor()` for each waiter';
  return new VfioError('another `IrqWaiter` has taken the descriptor, or the device was detached', {
    code: 'ERR_CLOSED',
    hint,
  });
}
