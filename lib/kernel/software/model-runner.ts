import type { DeviceHost, StartHost } from './host.js';
import type { DeviceIdentity } from './machine-device.js';
import { Mutex } from './mutex.js';
import type { DeviceOptions } from './options.js';

/** Starts a device's model at the first open and keeps it until the device is taken away. */
export class ModelRunner {
  readonly #lock = new Mutex();
  #host: DeviceHost | null = null;

  constructor(
    private readonly startHost: StartHost,
    readonly identity: DeviceIdentity | undefined,
  ) {}

  /** Makes the runner of a device's options. @returns null for a device that is only there */
  static of(options: DeviceOptions): Promise<ModelRunner | null> {
    if (options.start === undefined) return Promise.resolve(null);
    return Promise.resolve(new ModelRunner(options.start, options.identity));
  }

  /** Gives the running device. @throws what starting it throws */
  start(): Promise<DeviceHost> {
    return this.#lock.run(async () => (this.#host ??= await this.startHost()));
  }

  async stop(): Promise<void> {
    await this.#lock.run(async () => {
      const host = this.#host;
      this.#host = null;
      await host?.close();
    });
  }
}
