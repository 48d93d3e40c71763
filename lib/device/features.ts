import { argumentError, requireFd, requireOptions, requireInteger } from '../base/arguments.js';
import { VfioError, withContext } from '../base/errors.js';
import { hasDeviceExtras, type DeviceExtras } from '../kernel/device-extras.js';
import type { Fd } from '../kernel/kernel.js';
import type { OpenDevice } from '../kernel/liveness.js';
import {
  VFIO_DEVICE_FEATURE_GET,
  VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY,
  VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP,
  VFIO_DEVICE_FEATURE_LOW_POWER_EXIT,
  VFIO_DEVICE_FEATURE_MASK,
  VFIO_DEVICE_FEATURE_SET,
} from '../uapi/vfio.js';
import type { RevocationWatch } from './revocation-watch.js';

const WAYS: readonly number[] = [
  0,
  VFIO_DEVICE_FEATURE_GET,
  VFIO_DEVICE_FEATURE_SET,
  VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_SET,
];

/** Settings of `DeviceFeatures.enterLowPower`. */
export interface LowPowerOptions {
  /** An eventfd that counts when the kernel wakes the device by itself, because of a PCI PME. */
  readonly wakeup?: Fd;
}

const LOW_POWER_ENTRIES: ReadonlySet<number> = new Set([
  VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY,
  VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP,
]);

/**
 * The features of a device that depend on the kernel and the driver: VFIO_DEVICE_FEATURE. Probe a feature before you use it.
 * @throws from every call: ERR_CLOSED if the device is detached
 * Source: linux/vfio.h. Thread: the one that attached the device.
 */
export class DeviceFeatures {
  readonly #device: OpenDevice;
  readonly #revocations: RevocationWatch;

  private constructor(device: OpenDevice, revocations: RevocationWatch) {
    this.#device = device;
    this.#revocations = revocations;
  }

  /** @internal Use `Device.features`. */
  static create(device: OpenDevice, revocations: RevocationWatch): DeviceFeatures {
    return new DeviceFeatures(device, revocations);
  }

  /**
   * Tells whether the device has a feature.
   * @param feature VFIO_DEVICE_FEATURE_*
   * @param ways VFIO_DEVICE_FEATURE_GET, VFIO_DEVICE_FEATURE_SET or both; 0 for any of them
   * @returns false for a device of the software core
   * @throws ERR_INVALID_ARGUMENT; ERR_CLOSED
   */
  has(feature: number, ways = 0): boolean {
    requireFeature(feature);
    if (!WAYS.includes(ways)) {
      throw argumentError('ways', 'VFIO_DEVICE_FEATURE_GET, VFIO_DEVICE_FEATURE_SET, both or 0', ways);
    }
    const { kernel, deviceFd, live } = this.#device;
    live.require();
    return hasDeviceExtras(kernel) && kernel.hasFeature(deviceFd, feature, ways);
  }

  /**
   * Gets a feature.
   * @param payload as long as the structure of the feature, with its input fields set
   * @returns the payload as the kernel filled it in
   * @throws (rejects) ERR_NOT_SUPPORTED if the device does not have the feature; ERR_INVALID_ARGUMENT; the kernel's errno
   */
  get(feature: number, payload: Uint8Array): Promise<Uint8Array> {
    return this.#run(feature, payload, (kernel, fd) => kernel.getFeature(fd, feature, payload));
  }

  /**
   * Sets a feature.
   * @param payload as long as the structure of the feature; default empty
   * @returns the payload as the kernel left it
   * @throws (rejects) ERR_NOT_SUPPORTED if the device does not have the feature; ERR_INVALID_ARGUMENT; the kernel's errno
   */
  async set(feature: number, payload: Uint8Array = new Uint8Array(0)): Promise<Uint8Array> {
    const set = (): Promise<Uint8Array> =>
      this.#run(feature, payload, (kernel, fd) => kernel.setFeature(fd, feature, payload));
    if (LOW_POWER_ENTRIES.has(feature)) return this.#revocations.sleep(set);
    const answer = await set();
    if (feature === VFIO_DEVICE_FEATURE_LOW_POWER_EXIT) await this.#revocations.wake();
    return answer;
  }

  /** Whether `enterLowPower` and `exitLowPower` work. @throws ERR_CLOSED */
  get lowPower(): boolean {
    return this.has(VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY, VFIO_DEVICE_FEATURE_SET);
  }

  /**
   * Lets the device sleep until `exitLowPower`. Its registers and memory read as all ones in the meantime.
   * @throws (rejects) ERR_NOT_SUPPORTED; ERR_INVALID_ARGUMENT; EINVAL if the device may sleep already
   */
  async enterLowPower(options: LowPowerOptions = {}): Promise<void> {
    requireOptions(options);
    const { wakeup } = options;
    if (wakeup === undefined) {
      await this.set(VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY);
      return;
    }
    requireFd('wakeup', wakeup);
    // struct vfio_device_low_power_entry_with_wakeup: the eventfd, and four reserved bytes.
    const payload = new Uint8Array(Int32Array.of(wakeup, 0).buffer);
    await this.set(VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP, payload);
  }

  /** Wakes the device up. @throws (rejects) ERR_NOT_SUPPORTED */
  async exitLowPower(): Promise<void> {
    await this.set(VFIO_DEVICE_FEATURE_LOW_POWER_EXIT);
  }

  async #run(
    feature: number,
    payload: Uint8Array,
    call: (kernel: DeviceExtras, fd: Fd) => Promise<Uint8Array>,
  ): Promise<Uint8Array> {
    requireFeature(feature);
    if (!(payload instanceof Uint8Array)) throw argumentError('payload', 'a Uint8Array', payload);
    const { kernel, deviceFd, name, live } = this.#device;
    return live.run(async () => {
      if (!hasDeviceExtras(kernel)) throw this.#notSupported(feature);
      try {
        return await call(kernel, deviceFd);
      } catch (error) {
        if (error instanceof VfioError && error.code === 'ENOTTY') throw this.#notSupported(feature, error);
        throw withContext(error, { device: name });
      }
    });
  }

  #notSupported(feature: number, cause?: unknown): VfioError {
    return new VfioError(`the device does not have feature ${feature}`, {
      code: 'ERR_NOT_SUPPORTED',
      device: this.#device.name,
      hint: '`features.has` tells whether it has it',
      cause,
    });
  }
}

function requireFeature(feature: number): void {
  requireInteger('feature', feature, 0, VFIO_DEVICE_FEATURE_MASK);
}
