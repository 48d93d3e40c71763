import type { AttachedDevice } from '../backends/backend.js';
import { ConfigSpace, type IdOverrides } from '../config-space/config-space.js';
import { Device } from './device.js';
import type { DmaSpace } from '../dma/dma-space.js';
import { VFIO_DEVICE_FLAGS_PCI, VFIO_PCI_CONFIG_REGION_INDEX } from '../uapi/vfio.js';
import type { AsyncLane } from '../lane/async-lane.js';
import type { WorkerPool } from '../pool/pool.js';
import { throwFirst, type Unwinding } from '../base/unwinding.js';
import { configIo } from '../config-space/config-io.js';
import { openRegions, type TrapRegions } from './open-regions.js';
import type { DeviceInfos } from '../kernel/kernel.js';
import { queryInfos } from './query-infos.js';
import { DeviceIrqs } from './device-irqs.js';
import { Liveness } from '../kernel/liveness.js';

/** What a device is opened with. */
export interface OpenOptions {
  readonly name: string;
  readonly dma: DmaSpace;
  readonly ids: IdOverrides | undefined;
  readonly busMaster: boolean;
  readonly trap: TrapRegions;
  readonly pool: WorkerPool;
  /** The lane of all of the device's asynchronous operations. */
  readonly lane: AsyncLane;
  readonly detach: (device: Device) => Promise<void>;
}

/** Gathers what a user holds of an attached device, and gives it back if that fails: how it is is added to `undo`. */
export async function openDevice(attached: AttachedDevice, options: OpenOptions, undo: Unwinding): Promise<Device> {
  const { kernel, deviceFd, info } = attached;
  const { name, dma, detach } = options;
  const live = new Liveness(name);
  let irqs: DeviceIrqs | undefined = undefined;
  undo.push(() => giveBack(attached, live, irqs));
  const infos = queryInfos(kernel, deviceFd, info, name);
  const config = openConfig(attached, infos, options, live);
  const regions = await openRegions(attached, infos, { name, config, lane: options.lane, trap: options.trap }, undo);
  if (options.busMaster) await config?.setBusMaster(true);
  irqs = new DeviceIrqs({ kernel, deviceFd, name, live }, infos.irqs);
  return new Device({ name, attached, live, infos, regions, config, irqs, dma, pool: options.pool, detach });
}

/**
 * Nobody may use the descriptor once it is closed, and its closing waits for who does now. It turns the interrupts off in the
 * kernel: while a thread of the pool does so, they end here.
 */
async function giveBack(attached: AttachedDevice, live: Liveness, irqs: DeviceIrqs | undefined): Promise<void> {
  live.end();
  const underWay = live.drained();
  if (underWay !== undefined) await underWay;
  const errors: unknown[] = [];
  const drop = (): void => {
    try {
      irqs?.drop();
    } catch (error) {
      errors.push(error);
    }
  };
  try {
    await attached.detach(drop);
  } catch (error) {
    errors.unshift(error);
  }
  throwFirst(errors);
}

function openConfig(
  { kernel, deviceFd, info }: AttachedDevice,
  { regions }: DeviceInfos,
  { name, ids }: OpenOptions,
  live: Liveness,
): ConfigSpace | undefined {
  const region = regions[VFIO_PCI_CONFIG_REGION_INDEX];
  if ((info.flags & VFIO_DEVICE_FLAGS_PCI) === 0 || region === undefined || region.size === 0n) return undefined;
  const config = new ConfigSpace(configIo(kernel, deviceFd, region, name), live);
  if (ids !== undefined) config.overrideIds(ids);
  return config;
}
