import type { DeviceHost, StartHost } from './host.js';
import type { DeviceIdentity } from '../machine/machine-device.js';
import { modelDescription, ModelHost } from './model-host.js';
import { Mutex } from '../mutex.js';
import type { DeviceOptions } from '../machine/options.js';

/** Starts a device's model at the first open and keeps it until the device is taken away. */
export class ModelRunner {
  readonly #lock = new Mutex();
  #host: DeviceHost | null = null;

  private constructor(
    private readonly startHost: StartHost,
    readonly identity: DeviceIdentity | undefined,
  ) {}

  /** Makes the runner of a device's options. @returns null for a device that is only there */
  static async of(options: DeviceOptions): Promise<ModelRunner | null> {
    const { model, modelOptions, placement = 'thread' } = options;
    if (options.start !== undefined) return new ModelRunner(options.start, options.identity);
    if (model === undefined) return null;
    const { identity } = await modelDescription(model);
    return new ModelRunner(() => ModelHost.start({ model, options: modelOptions, isolation: placement }), identity);
  }

  /** Gives the running device; one whose thread or process ended is started anew. @throws what starting it throws */
  start(): Promise<DeviceHost> {
    return this.#lock.run(async () => {
      if (this.#host?.alive === false) await this.#end();
      return (this.#host ??= await this.startHost());
    });
  }

  async stop(): Promise<void> {
    await this.#lock.run(() => this.#end());
  }

  async #end(): Promise<void> {
    const host = this.#host;
    this.#host = null;
    await host?.close();
  }
}
