import { VfioError } from '../base/errors.js';
import type { Fd, VfioKernel } from './kernel.js';
import { started } from '../base/mutex.js';

/** An open device, as its parts see it. They use the descriptor inside `live.run`, or at once after `live.require`. */
export interface OpenDevice {
  readonly kernel: VfioKernel;
  readonly deviceFd: Fd;
  readonly name: string;
  readonly live: Liveness;
}

/**
 * Tracks whether a device is attached and which calls use its descriptor. The kernel reuses the number of a closed descriptor
 * for the next file, which may be another device. So no call may use the number after the close, and the close must wait for
 * the calls that run. Thread: the one that attached the device.
 */
export class Liveness {
  readonly #device: string;
  #open = true;
  #reason: VfioError | undefined;
  #underWay = 0;
  #quiet: (() => void) | undefined;

  /** @param device the name of the device, for errors */
  constructor(device: string) {
    this.#device = device;
  }

  /** Whether the device is attached; false as soon as a detach begins. */
  get open(): boolean {
    return this.#open;
  }

  /** Checks that the device is attached. @throws ERR_CLOSED once a detach has begun */
  require(): void {
    if (!this.#open) throw this.#closed();
  }

  /** Runs calls that need the descriptor. It stays open until they have ended. @throws (rejects) ERR_CLOSED */
  run<T>(work: () => Promise<T>): Promise<T> {
    if (!this.#open) return Promise.reject(this.#closed());
    this.#underWay += 1;
    const running = started(work);
    const left = (): void => this.#left();
    // A separate chain: the caller does not wait for the bookkeeping.
    running.then(left, left);
    return running;
  }

  /** Why the device is gone; undefined while it is there, and if it was detached. */
  get reason(): VfioError | undefined {
    return this.#reason;
  }

  /** Begins the detach: calls that have not begun fail from now on. @param reason why the device is gone, if it is */
  end(reason?: VfioError): void {
    this.#open = false;
    this.#reason ??= reason;
  }

  /** Waits, after `end`, for the calls that still run. @returns undefined if none runs */
  drained(): Promise<void> | undefined {
    if (this.#underWay === 0) return undefined;
    return new Promise((resolve) => {
      this.#quiet = resolve;
    });
  }

  #left(): void {
    this.#underWay -= 1;
    if (this.#underWay === 0) this.#quiet?.();
  }

  #closed(): VfioError {
    const message = this.#reason === undefined ? 'the device is detached' : 'the device is gone';
    return new VfioError(message, { code: 'ERR_CLOSED', device: this.#device, cause: this.#reason });
  }
}
