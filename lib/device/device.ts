import { EventEmitter } from 'node:events';

import type { AttachedDevice, BackendName } from '../backends/backend.js';
import type { ConfigSpace } from '../config-space/config-space.js';
import type { DmaSpace } from '../dma/dma-space.js';
import { argumentError, requireOneOf, requireOptions } from '../base/arguments.js';
import type { RemovalMessage } from '../base/diagnostics.js';
import { VfioError } from '../base/errors.js';
import { DeviceFeatures } from './features.js';
import { hotReset, queryHotReset, type HotResetDevice } from './hot-reset.js';
import { callKernel } from '../kernel/hints.js';
import type { DeviceIrq } from '../irq/device-irq.js';
import { IRQ_NAMES, irqIndexByName, type IrqName } from '../irq/names.js';
import type { DeviceIrqs } from './device-irqs.js';
import type { KeepAlive } from './keep-alive.js';
import type { Liveness } from '../kernel/liveness.js';
import type { DeviceInfo, DeviceInfos, IrqInfo, RegionInfo } from '../kernel/kernel.js';
import { requireBuffers } from '../pool/driver-task.js';
import type { WorkerPool } from '../pool/pool.js';
import type { Region } from '../region/region.js';
import type { RemovalWatch } from './removal-watch.js';
import type { RevocationEvent, RevocationWatch } from './revocation-watch.js';
import { VFIO_DEVICE_FLAGS_RESET } from '../uapi/vfio.js';

/** The parts of a device, which `openDevice` gathers. */
export interface DeviceParts {
  readonly name: string;
  readonly attached: AttachedDevice;
  readonly live: Liveness;
  readonly infos: DeviceInfos;
  readonly regions: readonly (Region | undefined)[];
  readonly config: ConfigSpace | undefined;
  readonly irqs: DeviceIrqs;
  readonly dma: DmaSpace;
  readonly pool: WorkerPool;
  readonly revocations: RevocationWatch;
  readonly removal: RemovalWatch;
  readonly keepAlive: KeepAlive;
  /** Detaches the device from its engine. */
  readonly detach: (device: Device) => Promise<void>;
}

/** Settings of `Device.runDriver`. */
export interface DriverOptions {
  /**
   * Any value that structured clone can copy. The function gets the copy. Memory in it must be in a SharedArrayBuffer, which is
   * not copied: an ArrayBuffer, or a view of one, is rejected, because the function would fill a copy.
   */
  readonly args?: unknown;
  /** DMA memory by name. The function and the caller share it. */
  readonly buffers?: Readonly<Record<string, SharedArrayBuffer>>;
  /** Aborting it ends the thread of the function. */
  readonly signal?: AbortSignal;
}

/** The events of a device. A listener gets one object. */
export interface DeviceEvents {
  /** The mapping of a region was revoked, because the device did not answer an access. See `Region.revoked`. */
  revoked: [RevocationEvent];
  /** The region is mapped again. */
  restored: [RevocationEvent];
  /** The device is gone for good: its model has ended, or it was unplugged. It is being detached. */
  removed: [RemovalMessage];
}

/** An attached device. It keeps the process alive until it is detached; see `unref`. Thread: the one that attached it. */
export class Device extends EventEmitter<DeviceEvents> {
  readonly #parts: DeviceParts;
  #detaching: Promise<void> | undefined;
  /** Features that depend on the kernel and the driver, such as low power. Probe them before you use them. */
  readonly features: DeviceFeatures;

  private constructor(parts: DeviceParts) {
    super();
    this.#parts = parts;
    const { name, live, attached, revocations } = parts;
    const { kernel, deviceFd } = attached;
    this.features = DeviceFeatures.create({ kernel, deviceFd, name, live }, revocations);
  }

  /** @internal Use `Engine.attach`. */
  static create(parts: DeviceParts): Device {
    return new Device(parts);
  }

  /** The name that the kernel uses: a whole bdf or a UUID. */
  get name(): string {
    return this.#parts.name;
  }

  /** The backend that attached it. */
  get backend(): BackendName {
    return this.#parts.attached.backend;
  }

  /** The kernel that has the device: `linux`, or `software` for the software core. */
  get kernel(): 'linux' | 'software' {
    return this.#parts.attached.kernel.kind;
  }

  /** The number of its IOMMU group; undefined if it is attached by iommufd. */
  get groupId(): string | undefined {
    return this.#parts.attached.groupId;
  }

  /** The kernel's answer to VFIO_DEVICE_GET_INFO. */
  get info(): DeviceInfo {
    return this.#parts.attached.info;
  }

  /** The kernel's description of each region, by index; undefined for an index that the device does not have. */
  get regionInfos(): readonly (RegionInfo | undefined)[] {
    return this.#parts.infos.regions;
  }

  /**
   * Returns a region.
   * @param regionIndex VFIO_PCI_BAR0_REGION_INDEX and so on
   * @throws ERR_INVALID_ARGUMENT if the device does not have the region; ERR_CLOSED
   */
  region(regionIndex: number): Region {
    const { regions } = this.#attachedParts();
    const region = Number.isInteger(regionIndex) ? regions[regionIndex] : undefined;
    if (region !== undefined) return region;
    const indexes = this.regions.map((each) => each.regionIndex).join(', ');
    throw argumentError('regionIndex', `a region of ${this.name}: ${indexes}`, regionIndex);
  }

  /** The regions of the device, in the order of their indexes. @throws ERR_CLOSED */
  get regions(): readonly Region[] {
    return this.#attachedParts().regions.filter((region) => region !== undefined);
  }

  /**
   * Runs a driver function in a worker thread, with synchronous access to the regions of the device.
   * @param module the URL of the module whose default export is the function; it gets a `DriverContext`
   * @returns the value that the function returned, copied by structured clone
   * @throws (rejects) the error that the function threw: a VfioError is complete, of another error the code and what
   *   structured clone keeps; ERR_INVALID_ARGUMENT for an argument of the wrong type, for arguments with memory that would
   *   be copied, and for arguments or a result that cannot be cloned; ERR_ABORTED; ERR_WORKER_DIED if the thread ended before the function; EAGAIN, ENOMEM if no thread
   *   can be created; ERR_NOT_SUPPORTED if the pool has no driver threads; ERR_CLOSED
   */
  async runDriver(module: URL, options: DriverOptions = {}): Promise<unknown> {
    checkDriver(module, options);
    const { pool, regions } = this.#attachedParts();
    const descriptors = regions.flatMap((region) => (region === undefined ? [] : [region.descriptor]));
    const { args, buffers = {}, signal } = options;
    return pool.runDriver({ module: module.href, regions: descriptors, buffers, args }, signal);
  }

  /** Whether the device is attached; false as soon as detaching begins, or the device is gone. */
  get attached(): boolean {
    return this.#parts.live.open;
  }

  /** The config space of the device. @throws ERR_NOT_SUPPORTED if it is not a PCI device; ERR_CLOSED */
  get config(): ConfigSpace {
    const { config } = this.#attachedParts();
    if (config !== undefined) return config;
    throw new VfioError('the device has no config space', { code: 'ERR_NOT_SUPPORTED', device: this.name });
  }

  /** The address space of the device's DMA. @throws ERR_NOT_SUPPORTED without an IOMMU; ERR_CLOSED */
  get dma(): DmaSpace {
    const { dma, attached } = this.#attachedParts();
    if (!attached.hasDma) {
      const hint = 'its DMA reaches all memory, and VFIO maps nothing for it: turn the IOMMU on for mappings';
      const message = 'a device without an IOMMU has no address space';
      throw new VfioError(message, { code: 'ERR_NOT_SUPPORTED', device: this.name, hint });
    }
    return dma;
  }

  /**
   * Returns an interrupt. Its `count` is 0 if the device does not have it.
   * @param which VFIO_PCI_INTX_IRQ_INDEX and so on, or for a PCI device its name: `intx`, `msi`, `msix`, `err`, `req`
   * @throws ERR_INVALID_ARGUMENT for another name, or an index beyond those of the device; ERR_CLOSED
   */
  irq(which: number | IrqName): DeviceIrq {
    const { irqs } = this.#attachedParts();
    if (typeof which !== 'number') requireOneOf('which', which, IRQ_NAMES);
    const irq = irqs.at(typeof which === 'number' ? which : irqIndexByName[which]);
    if (irq !== undefined) return irq;
    throw argumentError('which', `an interrupt of ${this.name}, less than ${irqs.infos.length}`, which);
  }

  /** The kernel's description of each interrupt, by index; undefined for an index that the device does not have. */
  get irqInfos(): readonly (IrqInfo | undefined)[] {
    return this.#parts.infos.irqs;
  }

  /** All interrupts, by index. @throws ERR_CLOSED */
  get irqs(): readonly DeviceIrq[] {
    return this.#attachedParts().irqs.all();
  }

  /** Resets the function. The kernel keeps its config space. @throws (rejects) ERR_NOT_SUPPORTED if it has no reset; EAGAIN; ERR_CLOSED */
  async reset(): Promise<void> {
    const { attached, live, revocations } = this.#attachedParts();
    if ((attached.info.flags & VFIO_DEVICE_FLAGS_RESET) === 0) {
      // Source: vfio_pci_dev_set_try_reset
      const hint =
        'reset the device by its own registers, or detach every device of its bus: vfio-pci then resets the bus if it can';
      throw new VfioError('the device has no reset', { code: 'ERR_NOT_SUPPORTED', device: this.name, hint });
    }
    await live.run(() =>
      callKernel('resetDevice', { device: this.name }, () => attached.kernel.resetDevice(attached.deviceFd)),
    );
    await revocations.restore();
  }

  /**
   * Lists the devices that a reset of the slot or bus affects, this one included. Source: VFIO_DEVICE_GET_PCI_HOT_RESET_INFO
   * @returns undefined if neither the slot nor the bus can be reset, and for the software core
   * @throws ERR_CLOSED; the kernel's errno
   */
  queryHotReset(): HotResetDevice[] | undefined {
    return queryHotReset(this.#attachedParts().attached);
  }

  /**
   * Resets the slot or bus with every device on it, if the engine has attached every affected device. The kernel saves and
   * restores their config space.
   * @throws (rejects) ERR_NOT_SUPPORTED if neither can be reset; EPERM if the engine has not attached an affected device,
   *   which the hint names; EINVAL if one is not bound to a VFIO driver; ENOTTY if the reset failed; EAGAIN; ERR_CLOSED
   */
  async hotReset(): Promise<void> {
    const { attached, live, revocations } = this.#attachedParts();
    await live.run(() => hotReset(attached, this.name));
    await revocations.restore();
  }

  /** Makes the attached device keep the process alive again, after `unref`. */
  ref(): this {
    this.#parts.keepAlive.set(true);
    return this;
  }

  /** Lets the process exit although the device is attached. Waits for interrupts still keep the process alive. */
  unref(): this {
    this.#parts.keepAlive.set(false);
    return this;
  }

  /**
   * Detaches the device and closes everything that belongs to it, even if a step fails. Further calls share the work.
   * Single accesses that have begun end first. Polls, copies and programs stop where they are. Everything else fails with
   * ERR_CLOSED, through any object that the caller kept of the device.
   * @throws (rejects) the first error, the further ones as its cause
   */
  detach(): Promise<void> {
    this.#parts.live.end();
    this.#detaching ??= this.#parts.detach(this);
    return this.#detaching;
  }

  /** Detaches the device at the end of an `await using` block. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.detach();
  }

  /** @internal Why the device is gone; undefined while it is there, and if it was detached. */
  get removalReason(): VfioError | undefined {
    return this.#parts.live.reason;
  }

  /** @internal Looks whether the device is gone. If so, it is reported and detached. */
  lookForRemoval(): Promise<boolean> {
    return this.#parts.removal.look();
  }

  #attachedParts(): DeviceParts {
    this.#parts.live.require();
    return this.#parts;
  }
}

/** Checks the arguments of `runDriver`. @throws ERR_INVALID_ARGUMENT */
function checkDriver(module: URL, options: DriverOptions): void {
  if (!(module instanceof URL)) throw argumentError('module', 'a URL', module);
  requireOptions(options);
  requireBuffers(options.buffers ?? {});
}
