import { Mutex } from '../../base/mutex.js';
import type { RunningDevice, StartDevice } from './running-device.js';

/** Starts a device at its first open, and keeps it running until the device is removed from the machine. */
export class DeviceRunner {
  /** Held while the device starts and stops. */
  readonly #lock = new Mutex();
  #device: RunningDevice | null = null;

  constructor(private readonly startDevice: StartDevice) {}

  /** Returns the running device. Starts it again if its thread or process ended. @throws the error of the start */
  start(): Promise<RunningDevice> {
    return this.#lock.run(async () => {
      if (this.#device?.alive === false) await this.#end();
      return (this.#device ??= await this.startDevice());
    });
  }

  /** Ends the device, if it runs. */
  async stop(): Promise<void> {
    await this.#lock.run(() => this.#end());
  }

  async #end(): Promise<void> {
    const device = this.#device;
    this.#device = null;
    await device?.close();
  }
}
