import { warn } from '../base/diagnostics.js';
import { callKernel } from '../kernel/hints.js';
import type { DeviceInfo, Fd, VfioKernel } from '../kernel/kernel.js';
import { VFIO_DEVICE_FLAGS_RESET } from '../uapi/vfio.js';

/** The descriptor of a device that a backend has opened. Thread: the one that made it. */
export class DeviceDescriptor {
  /** Called when the close has started on the thread pool. It must not throw. */
  onClosing: (() => void) | undefined;
  readonly #kernel: VfioKernel;

  constructor(
    kernel: VfioKernel,
    readonly fd: Fd,
    private readonly device: string,
  ) {
    this.#kernel = kernel;
  }

  /** Reads the info of the device. @throws what VFIO_DEVICE_GET_INFO fails with */
  info(): DeviceInfo {
    return callKernel('getDeviceInfo', { device: this.device }, () => this.#kernel.getDeviceInfo(this.fd));
  }

  /**
   * Resets the device if it can be reset. A failure is published as a warning: the device works, in the state in which its last
   * user left it.
   */
  async resetIfSupported({ flags }: DeviceInfo): Promise<void> {
    if ((flags & VFIO_DEVICE_FLAGS_RESET) === 0) return;
    try {
      await callKernel('resetDevice', { device: this.device }, () => this.#kernel.resetDevice(this.fd));
    } catch (error) {
      warn('the device could not be reset', error, this.device);
    }
  }

  /** Closes the descriptor. That is slow, because the kernel resets the device. */
  close(): Promise<void> {
    const closing = this.#kernel.close(this.fd);
    this.onClosing?.();
    return closing;
  }
}
