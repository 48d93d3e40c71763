import type { AttachedDevice } from '../backends/backend.js';
import { type RemovalMessage, warn } from '../base/diagnostics.js';
import { throwFirst, type Unwinding } from '../base/unwinding.js';
import { type ConfigIo, kernelConfigIo } from '../config-space/config-io.js';
import { ConfigSpace, type IdOverrides } from '../config-space/config-space.js';
import type { DmaSpace } from '../dma/dma-space.js';
import type { DeviceInfos } from '../kernel/kernel.js';
import { Liveness } from '../kernel/liveness.js';
import type { AsyncLane } from '../lane/async-lane.js';
import type { WorkerPool } from '../pool/pool.js';
import { VFIO_DEVICE_FLAGS_PCI, VFIO_PCI_CONFIG_REGION_INDEX } from '../uapi/vfio.js';
import { DeviceIrqs } from './device-irqs.js';
import { Device } from './device.js';
import { KeepAlive } from './keep-alive.js';
import { openRegions, type TrapRegions } from './open-regions.js';
import { queryInfos } from './query-infos.js';
import { RemovalWatch } from './removal-watch.js';
import { RevocationWatch } from './revocation-watch.js';

/** The arguments of `openDevice`. */
export interface OpenDeviceOptions {
  readonly name: string;
  readonly dma: DmaSpace;
  readonly ids: IdOverrides | undefined;
  readonly busMaster: boolean;
  readonly trap: TrapRegions;
  readonly pool: WorkerPool;
  /** Carries all asynchronous operations of the device. */
  readonly lane: AsyncLane;
  readonly detach: (device: Device) => Promise<void>;
}

/**
 * Opens the parts of an attached device: config space, regions, interrupts. From here on the device is closed by `undo`,
 * also if this function fails.
 */
export async function openDevice(
  attached: AttachedDevice,
  options: OpenDeviceOptions,
  undo: Unwinding,
): Promise<Device> {
  const { kernel, deviceFd, info } = attached;
  const { name, dma, detach } = options;
  const live = new Liveness(name);
  const opened = { kernel, deviceFd, name, live };
  let irqs: DeviceIrqs | undefined = undefined;
  undo.push(() => closeDevice(attached, live, irqs));
  const infos = queryInfos(kernel, deviceFd, info, name);
  const revocations = new RevocationWatch(opened);
  const io = configIo(attached, infos, name);
  const config = io === undefined ? undefined : openConfig(revocations.follow(io), live, options.ids);
  const removal = new RemovalWatch(opened);
  const regions = await openRegions(attached, infos, { name, config, lane: options.lane, trap: options.trap }, undo);
  undo.push(() => revocations.close());
  undo.push(() => removal.close());
  if (options.busMaster) await config?.setBusMaster(true);
  irqs = new DeviceIrqs(opened, infos.irqs);
  const keepAlive = new KeepAlive();
  undo.push(() => keepAlive.close());
  const parts = {
    name,
    attached,
    live,
    infos,
    regions,
    config,
    irqs,
    dma,
    pool: options.pool,
    detach,
    revocations,
    removal,
    keepAlive,
  };
  const device = Device.create(parts);
  revocations.start(regions, (change, event) => device.emit(change, event));
  removal.start(io, (message) => detachRemoved(device, message));
  return device;
}

/** Detaches a device that is gone, and then tells it: what a listener throws does not hold the detach up. */
function detachRemoved(device: Device, message: RemovalMessage): void {
  device.detach().catch((error: unknown) => warn('a device that is gone could not be detached', error, device.name));
  device.emit('removed', message);
}

/**
 * Closes the device after the calls that use its descriptor have ended. Closing turns the interrupts off in the kernel;
 * while a call thread closes the device, their delivery ends here.
 */
async function closeDevice(attached: AttachedDevice, live: Liveness, irqs: DeviceIrqs | undefined): Promise<void> {
  live.end();
  const underWay = live.drained();
  if (underWay !== undefined) await underWay;
  const errors: unknown[] = [];
  const dropIrqs = (): void => {
    try {
      irqs?.drop();
    } catch (error) {
      errors.push(error);
    }
  };
  try {
    await attached.detach(dropIrqs);
  } catch (error) {
    errors.unshift(error);
  }
  throwFirst(errors);
}

/** Returns the transfers of config space; undefined if the device has none. */
function configIo({ kernel, deviceFd, info }: AttachedDevice, infos: DeviceInfos, name: string): ConfigIo | undefined {
  const region = infos.regions[VFIO_PCI_CONFIG_REGION_INDEX];
  if ((info.flags & VFIO_DEVICE_FLAGS_PCI) === 0 || region === undefined || region.size === 0n) return undefined;
  return kernelConfigIo(kernel, deviceFd, region, name);
}

function openConfig(io: ConfigIo, live: Liveness, ids: IdOverrides | undefined): ConfigSpace {
  const config = ConfigSpace.create(io, live);
  if (ids !== undefined) config.overrideIds(ids);
  return config;
}
