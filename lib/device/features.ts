import { VfioError, withContext } from '../base/errors.js';
import type { DeviceExtras } from '../kernel/device-extras.js';
import type { Fd } from '../kernel/kernel.js';
import {
  VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY,
  VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP,
  VFIO_DEVICE_FEATURE_LOW_POWER_EXIT,
  VFIO_DEVICE_FEATURE_SET,
} from '../uapi/vfio.js';
import { hasExtras } from './hot-reset.js';
import type { OpenDevice } from '../kernel/liveness.js';

/** How a device goes to sleep. */
export interface LowPowerOptions {
  /** An eventfd that counts when the kernel wakes the device up by itself, for a PCI PME. */
  readonly wakeup?: Fd;
}

/**
 * The features of a device that come and go with kernels and drivers: VFIO_DEVICE_FEATURE. Probe one before its use.
 * @throws from every call: ERR_CLOSED once the device's detaching has begun
 * Source: linux/vfio.h. Thread: the one that attached the device.
 */
export class DeviceFeatures {
  readonly #device: OpenDevice;

  /** @internal `Device.features` gives it. */
  constructor(device: OpenDevice) {
    this.#device = device;
  }

  /**
   * Tells whether the device has a feature.
   * @param feature VFIO_DEVICE_FEATURE_* @param ways VFIO_DEVICE_FEATURE_GET, _SET or both; 0 asks whether it exists
   */
  has(feature: number, ways = 0): boolean {
    const { kernel, deviceFd, live } = this.#device;
    live.require();
    return hasExtras(kernel) && kernel.hasFeature(deviceFd, feature, ways);
  }

  /** Gets a feature. @param payload as long as its structure @returns it, filled in @throws ERR_NOT_SUPPORTED */
  get(feature: number, payload: Uint8Array): Promise<Uint8Array> {
    return this.#run(feature, (kernel, fd) => kernel.getFeature(fd, feature, payload));
  }

  /** Sets a feature. @returns the payload as the kernel left it @throws ERR_NOT_SUPPORTED */
  set(feature: number, payload: Uint8Array = new Uint8Array(0)): Promise<Uint8Array> {
    return this.#run(feature, (kernel, fd) => kernel.setFeature(fd, feature, payload));
  }

  /** Whether the device can be put to sleep. */
  get lowPower(): boolean {
    return this.has(VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY, VFIO_DEVICE_FEATURE_SET);
  }

  /**
   * Lets the device sleep until `exitLowPower`; its registers and memory answer all ones meanwhile.
   * @throws ERR_NOT_SUPPORTED; EINVAL when it is let already
   */
  async enterLowPower({ wakeup }: LowPowerOptions = {}): Promise<void> {
    if (wakeup === undefined) {
      await this.set(VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY);
      return;
    }
    // struct vfio_device_low_power_entry_with_wakeup: the eventfd, and four reserved bytes.
    const payload = new Uint8Array(Int32Array.of(wakeup, 0).buffer);
    await this.set(VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP, payload);
  }

  /** Wakes the device up. @throws ERR_NOT_SUPPORTED */
  async exitLowPower(): Promise<void> {
    await this.set(VFIO_DEVICE_FEATURE_LOW_POWER_EXIT);
  }

  #run(feature: number, call: (kernel: DeviceExtras, fd: Fd) => Promise<Uint8Array>): Promise<Uint8Array> {
    const { kernel, deviceFd, name, live } = this.#device;
    return live.run(async () => {
      if (!hasExtras(kernel)) throw this.#lacks(feature);
      try {
        return await call(kernel, deviceFd);
      } catch (error) {
        if (error instanceof VfioError && error.code === 'ENOTTY') throw this.#lacks(feature, error);
        throw withContext(error, { device: name });
      }
    });
  }

  #lacks(feature: number, cause?: unknown): VfioError {
    const hint = '`features.has` tells beforehand';
    return new VfioError(`the device has no feature ${feature}`, {
      code: 'ERR_NOT_SUPPORTED',
      device: this.#device.name,
      hint,
      cause,
    });
  }
}
