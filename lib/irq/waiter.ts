import { availableParallelism } from 'node:os';

import { LONGEST_WAIT_MS, requireNumber, requireOptions } from '../base/arguments.js';
import { VfioError } from '../base/errors.js';
import type { Fd } from '../kernel/kernel.js';
import { addon } from '../native/addon.js';
import { IrqVector, type NextOptions, requireWait } from './vector.js';

/**
 * A vector for another thread, by structured clone: `workerData`, `postMessage`, the `args` of a driver function. Its
 * file descriptor is a duplicate that belongs to the one `IrqWaiter` which is made of it.
 */
export interface IrqDescriptor {
  readonly fd: Fd;
  /** 1 once the vector is off. Writer: the thread that attached the device. */
  readonly off: Int32Array<SharedArrayBuffer>;
}

/** How a thread that may block waits. */
export interface WaitForIrqOptions {
  /** Milliseconds after which the wait fails with ERR_TIMEOUT. Default 10,000. */
  readonly timeoutMs?: number;
  /** How long to look before sleeping, microseconds, up to 1000. Default 20, and 0 on a machine of one CPU. */
  readonly spinMicroseconds?: number;
}

const DEFAULT_TIMEOUT_MS = 10_000;
const DEFAULT_SPIN_US = availableParallelism() > 1 ? 20 : 0;
/** How long native code keeps the thread at most: a vector that is turned off meanwhile, or a thread's end, is seen then. */
const TURN_MS = 50;

/** Waits for a vector's interrupts in any thread; each interrupt is taken once. Thread: the one that made it. */
export class IrqWaiter {
  readonly #vector: IrqVector;
  readonly #off: Int32Array<SharedArrayBuffer>;

  /** Takes the descriptor over: close the waiter to close it. @param descriptor of `DeviceIrq.descriptor` */
  constructor({ fd, off }: IrqDescriptor) {
    this.#vector = IrqVector.adopt(fd);
    this.#off = off;
  }

  /**
   * Blocks the thread until interrupts come, and takes their count.
   * @throws ERR_TIMEOUT; ERR_CLOSED when the vector was turned off and none is left to take
   */
  wait(options: WaitForIrqOptions = {}): number {
    requireOptions(options);
    const { timeoutMs = DEFAULT_TIMEOUT_MS, spinMicroseconds = DEFAULT_SPIN_US } = options;
    requireNumber('timeoutMs', timeoutMs, 0, LONGEST_WAIT_MS);
    const first = this.#vector.take();
    if (first > 0) return first;
    const deadline = performance.now() + timeoutMs;
    for (let left = timeoutMs; ; left = deadline - performance.now()) {
      // Before the look at the eventfd: what came before the end is still taken.
      const off = this.#isOff;
      const turn = off ? 0 : Math.max(0, Math.min(left, TURN_MS));
      const count = addon.eventfdWait(this.#vector.fd, turn, spinMicroseconds);
      if (count > 0) return count;
      if (off) throw new VfioError('the interrupt was turned off', { code: 'ERR_CLOSED' });
      if (left <= turn) throw new VfioError(`no interrupt came in ${timeoutMs} ms`, { code: 'ERR_TIMEOUT' });
    }
  }

  /** Waits without blocking the thread, and takes the count. @throws ERR_TIMEOUT, ERR_CLOSED as `wait` */
  async next(options: NextOptions = {}): Promise<number> {
    requireWait(options);
    const count = this.take();
    if (count > 0) return count;
    if (this.#isOff) throw new VfioError('the interrupt was turned off', { code: 'ERR_CLOSED' });
    this.#watch();
    return this.#vector.next(options);
  }

  /** Takes the count of what came since the last time, without waiting; 0 for none. */
  take(): number {
    const known = this.#vector.take();
    return known + addon.eventfdRead(this.#vector.fd);
  }

  /** Lets the thread's event loop end although `next` was used, or not. */
  setRef(ref: boolean): void {
    this.#vector.setRef(ref);
  }

  /** Ends the waits and closes the descriptor. Closing twice does nothing. */
  close(): void {
    this.#vector.close();
  }

  get #isOff(): boolean {
    return Atomics.load(this.#off, 0) !== 0;
  }

  #watch(): void {
    if (!this.#vector.watch()) return;
    const end = Atomics.waitAsync(this.#off, 0, 0);
    // Turned off meanwhile: what came before the end goes to who waits, then the waits end.
    if (end.async) void end.value.then(() => this.#vector.end());
    else this.#vector.end();
  }
}
