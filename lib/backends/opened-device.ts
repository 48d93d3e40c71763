import type { Fd, VfioKernel } from '../kernel/kernel.js';

/** A device that a backend has opened. */
export class OpenedDevice {
  /** What is done when a thread of the pool has begun to close the device. */
  meanwhile: (() => void) | undefined;
  readonly #kernel: VfioKernel;

  constructor(
    kernel: VfioKernel,
    readonly fd: Fd,
  ) {
    this.#kernel = kernel;
  }

  /** Closes it, which resets it: that takes its time. */
  close(): Promise<void> {
    const closing = this.#kernel.close(this.fd);
    this.meanwhile?.();
    return closing;
  }
}
