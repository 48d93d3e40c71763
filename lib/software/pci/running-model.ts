import { VfioError } from '../../base/errors.js';
import { describeModel, type ModelDescription } from '../../models/hosting/model-description.js';
import { loadModel } from '../../models/hosting/model-module.js';
import { startModel, type HostedModel } from '../../models/hosting/start-model.js';
import { addon } from '../../native/addon.js';
import type { DomainHandle } from '../../native/vfio-user.js';
import { errnoNumber } from '../../uapi/errno.js';
import { VFIO_USER_DMA_MAP_FLAG_READ, VFIO_USER_DMA_MAP_FLAG_WRITE } from '../../uapi/vfio-user.js';
import { VfioUserClient } from '../../vfio-user/client/vfio-user-client.js';
import type { DeviceInfo, IrqInfo } from '../../kernel/kernel.js';
import { openFunction } from './open-function.js';
import { assignAddresses } from './physical-config.js';
import type { DeviceRegion, OpenFunction, RunningDevice } from './running-device.js';

const HALF_ADDRESS_SPACE = 1n << 63n;
/**
 * Maps all addresses without a file, so that the device asks for each DMA access by a message. The domain of its group
 * then translates the access or counts the fault. The size of one map cannot be 2^64.
 */
const WHOLE_ADDRESS_SPACE = [0n, HALF_ADDRESS_SPACE].map((iova) => ({
  flags: VFIO_USER_DMA_MAP_FLAG_READ | VFIO_USER_DMA_MAP_FLAG_WRITE,
  fdOffset: 0n,
  iova,
  size: HALF_ADDRESS_SPACE,
}));

/** A model and how to start it. */
export interface ModelStart {
  /** `edu`, `testdev`, or the URL of a module whose default export is a `PciModel`. */
  readonly model: string | URL;
  /** The argument of the model's `create`. */
  readonly options?: unknown;
  /** Where the model runs. Default `thread`. */
  readonly isolation?: 'thread' | 'process';
}

/** Reads the description of a model without starting it. @throws ERR_INVALID_ARGUMENT if the module has no `PciModel` */
export async function modelDescription(model: string | URL): Promise<ModelDescription> {
  return describeModel(await loadModel(model));
}

/** A model that runs in its own thread or process, behind a vfio-user client. */
export class RunningModel implements RunningDevice {
  readonly #endListeners = new Set<(reason: VfioError) => void>();
  #end: VfioError | undefined;

  private constructor(
    private readonly hosted: HostedModel,
    private readonly client: VfioUserClient,
    readonly info: DeviceInfo,
    readonly regions: readonly (DeviceRegion | undefined)[],
    readonly irqs: readonly (IrqInfo | undefined)[],
  ) {
    hosted.onExit((cause) => {
      this.#end = endOfModel(cause);
      for (const listener of this.#endListeners) listener(this.#end);
    });
  }

  /** Starts a model and reads its facts that do not change. @throws the errors of `startModel` and of the client */
  static async start({ model, options, isolation = 'thread' }: ModelStart): Promise<RunningModel> {
    const hosted = await startModel({ model, options }, { isolation });
    try {
      const client = await VfioUserClient.connect(hosted.socket);
      try {
        for (const map of WHOLE_ADDRESS_SPACE) await client.dmaMap(map);
        const info = await client.deviceInfo();
        const irqs = await allIrqs(client, info.numIrqs);
        const regions = await allRegions(client, info.numRegions);
        const model = new RunningModel(hosted, client, info, regions, irqs);
        await assignAddresses(model).catch((error: unknown) => {
          closeFiles(regions);
          throw error;
        });
        return model;
      } catch (error) {
        await client.close();
        throw error;
      }
    } catch (error) {
      await hosted.stop();
      throw error;
    }
  }

  get alive(): boolean {
    return this.client.alive;
  }

  setDomain(domain: DomainHandle): void {
    // A model that has ended does no DMA, and its connection may be closed.
    if (this.alive) this.client.setDomain(domain);
  }

  readRegion(regionIndex: number, regionOffset: bigint, length: number): Promise<Uint8Array> {
    return this.client.regionRead(regionIndex, Number(regionOffset), length);
  }

  writeRegion(regionIndex: number, regionOffset: bigint, data: Uint8Array): Promise<number> {
    return this.client.regionWrite(regionIndex, Number(regionOffset), data);
  }

  openFunction(): Promise<OpenFunction> {
    return openFunction(this.client.connection, this.regions, this.irqs);
  }

  reset(): Promise<void> {
    return this.client.reset();
  }

  onEnd(listener: (reason: VfioError) => void): () => void {
    const end = this.#end;
    // Later, as for a model that ends later: the caller has not returned yet.
    if (end !== undefined) setImmediate(() => listener(end));
    this.#endListeners.add(listener);
    return () => this.#endListeners.delete(listener);
  }

  async close(): Promise<void> {
    try {
      await this.client.close();
    } finally {
      closeFiles(this.regions);
      await this.hosted.stop();
    }
  }
}

/** Makes the reason why a device is gone whose model has ended. */
function endOfModel(cause: VfioError | undefined): VfioError {
  const how = cause === undefined ? '' : `: ${cause.message}`;
  const fields = { code: 'ENODEV', errno: errnoNumber('ENODEV'), cause } as const;
  return new VfioError(`the model of the device has ended${how}`, fields);
}

async function allRegions(client: VfioUserClient, count: number): Promise<(DeviceRegion | undefined)[]> {
  const regions: (DeviceRegion | undefined)[] = [];
  try {
    for (let index = 0; index < count; index += 1) regions.push(await undefinedIfAbsent(client.regionInfo(index)));
    return regions;
  } catch (error) {
    closeFiles(regions);
    throw error;
  }
}

function closeFiles(regions: readonly (DeviceRegion | undefined)[]): void {
  for (const region of regions) if (region?.fd !== undefined) addon.closeFdSync(region.fd);
}

async function allIrqs(client: VfioUserClient, count: number): Promise<(IrqInfo | undefined)[]> {
  const irqs: (IrqInfo | undefined)[] = [];
  for (let index = 0; index < count; index += 1) irqs.push(await undefinedIfAbsent(client.irqInfo(index)));
  return irqs;
}

/** The server answers EINVAL for a region or an interrupt index that the device does not have. */
async function undefinedIfAbsent<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof VfioError && error.code === 'EINVAL') return undefined;
    throw error;
  }
}
