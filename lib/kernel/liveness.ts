import { VfioError } from '../base/errors.js';
import type { Fd, VfioKernel } from './kernel.js';
import { started } from '../base/mutex.js';

/** A device that is open, as its parts know it. They use the descriptor within `live.run`, or at once after `require`. */
export interface OpenDevice {
  readonly kernel: VfioKernel;
  readonly deviceFd: Fd;
  readonly name: string;
  readonly live: Liveness;
}

/**
 * Whether a device is attached, and what is under way on its descriptor. The kernel gives the number of a closed one to
 * what is opened next, another device say: nothing may use it then, and it is not closed beneath a call.
 * Thread: the one that attached the device.
 */
export class Liveness {
  readonly #device: string;
  #open = true;
  #underWay = 0;
  #quiet: (() => void) | undefined;

  /** @param device its name, for errors */
  constructor(device: string) {
    this.#device = device;
  }

  /** Whether the device is attached; false from the beginning of its detaching on. */
  get open(): boolean {
    return this.#open;
  }

  /** @throws ERR_CLOSED once the detaching has begun */
  require(): void {
    if (!this.#open) throw this.#closed();
  }

  /** Makes calls that belong together. Once begun they end, and the descriptor stays open. @throws (rejects) ERR_CLOSED */
  run<T>(work: () => Promise<T>): Promise<T> {
    if (!this.#open) return Promise.reject(this.#closed());
    this.#underWay += 1;
    const running = started(work);
    const left = (): void => this.#left();
    // Beside the caller, who waits no longer for it.
    running.then(left, left);
    return running;
  }

  /** Refuses all that has not begun. */
  end(): void {
    this.#open = false;
  }

  /** Gives what waits, after `end`, for what is under way; undefined where nothing is. */
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
    return new VfioError('the device is detached', { code: 'ERR_CLOSED', device: this.#device });
  }
}
