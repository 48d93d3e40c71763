import type { AttachedDevice, BackendName } from '../backends/backend.js';
import type { ConfigSpace } from '../config-space/config-space.js';
import type { DmaSpace } from '../dma/dma-space.js';
import { invalidArgument, VfioError } from '../base/errors.js';
import { DeviceFeatures } from './features.js';
import { hotReset, queryHotReset, type HotResetDevice } from './hot-reset.js';
import { callKernel } from '../kernel/hints.js';
import type { DeviceIrq } from '../irq/device-irq.js';
import { irqIndexByName, type IrqName } from '../irq/names.js';
import type { DeviceIrqs } from './device-irqs.js';
import type { Liveness } from '../kernel/liveness.js';
import type { DeviceInfo, DeviceInfos, IrqInfo, RegionInfo } from '../kernel/kernel.js';
import type { WorkerPool } from '../pool/pool.js';
import type { Region } from '../region/region.js';
import { VFIO_DEVICE_FLAGS_RESET } from '../uapi/vfio.js';

/** What `Engine.attach` gathers for a device. */
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
  /** Detaches it; the engine's. */
  readonly detach: (device: Device) => Promise<void>;
}

/** What a driver function is run with. */
export interface DriverOptions {
  /** The function's own, structured-cloned. */
  readonly args?: unknown;
  /** DMA memory by name, shared. */
  readonly buffers?: Readonly<Record<string, SharedArrayBuffer>>;
  /** Ends the function's thread. */
  readonly signal?: AbortSignal;
}

/** An attached device. Thread: the one that attached it. */
export class Device {
  readonly #parts: DeviceParts;
  #detaching: Promise<void> | undefined;
  /** What it can beside, low power among it: probed before use. */
  readonly features: DeviceFeatures;

  /** @internal Use `Engine.attach`. */
  constructor(parts: DeviceParts) {
    this.#parts = parts;
    const { name, live, attached } = parts;
    this.features = new DeviceFeatures({ kernel: attached.kernel, deviceFd: attached.deviceFd, name, live });
  }

  /** What the kernel calls it: a whole bdf or a UUID. */
  get name(): string {
    return this.#parts.name;
  }

  /** How it is attached. */
  get backend(): BackendName {
    return this.#parts.attached.backend;
  }

  /** Which kernel has it: the real one, or the software core. */
  get kernel(): 'linux' | 'software' {
    return this.#parts.attached.kernel.kind;
  }

  /** The number of its IOMMU group; undefined where the backend has no groups. */
  get groupId(): string | undefined {
    return this.#parts.attached.groupId;
  }

  get info(): DeviceInfo {
    return this.#parts.attached.info;
  }

  /** What the kernel tells of its regions, by index; undefined for those that it lacks. */
  get regionInfos(): readonly (RegionInfo | undefined)[] {
    return this.#parts.infos.regions;
  }

  /**
   * Gives a region.
   * @param regionIndex VFIO_PCI_BAR0_REGION_INDEX and so on
   * @throws ERR_INVALID_ARGUMENT for one that the device lacks, ERR_CLOSED
   */
  region(regionIndex: number): Region {
    const region = this.#live().regions[regionIndex];
    if (region === undefined) {
      throw invalidArgument(`${this.name} has no region ${regionIndex}`, `it has ${this.#regionNumbers()}`);
    }
    return region;
  }

  /** Its regions, in the order of their indexes, without those that it lacks. */
  get regions(): readonly Region[] {
    return this.#live().regions.filter((region) => region !== undefined);
  }

  /**
   * Runs a driver function in a worker thread, with synchronous access to the device's regions.
   * @param module the URL of the module whose default export is the function; it gets a `DriverContext`
   * @returns what it returned, structured-cloned
   * @throws what it threw: a VfioError whole, of others what structured clone keeps and the code; ERR_INVALID_ARGUMENT for
   *   arguments, an answer or a signal that cannot be; ERR_ABORTED; ERR_WORKER_DIED when its thread ended under it; EAGAIN,
   *   ENOMEM when no thread can be made; ERR_NOT_SUPPORTED for a pool of no drivers; ERR_CLOSED
   */
  runDriver(module: URL, options: DriverOptions = {}): Promise<unknown> {
    const { pool, regions } = this.#live();
    const descriptors = regions.flatMap((region) => (region === undefined ? [] : [region.descriptor]));
    const { args, buffers = {}, signal } = options;
    return pool.runDriver({ module: module.href, regions: descriptors, buffers, args }, signal);
  }

  /** Whether it is attached; false from the beginning of its detaching on. */
  get attached(): boolean {
    return this.#parts.live.open;
  }

  /** Its config space. @throws ERR_NOT_SUPPORTED for a device that is not PCI, ERR_CLOSED */
  get config(): ConfigSpace {
    const { config } = this.#live();
    if (config !== undefined) return config;
    throw new VfioError('the device has no config space', { code: 'ERR_NOT_SUPPORTED', device: this.name });
  }

  /** The address space of its DMA. @throws ERR_NOT_SUPPORTED without an IOMMU, ERR_CLOSED */
  get dma(): DmaSpace {
    const { dma, attached } = this.#live();
    if (!attached.hasDma) {
      const hint =
        'nothing keeps its DMA from all of memory, and VFIO maps nothing for it: turn the IOMMU on for mappings';
      const message = 'a device without an IOMMU has no address space';
      throw new VfioError(message, { code: 'ERR_NOT_SUPPORTED', device: this.name, hint });
    }
    return dma;
  }

  /**
   * Gives an interrupt; its `count` is 0 where the device lacks it.
   * @param which VFIO_PCI_INTX_IRQ_INDEX and so on, or what a PCI device's are called: `intx`, `msi`, `msix`, `err`, `req`
   * @throws ERR_INVALID_ARGUMENT for an index that the device lacks, ERR_CLOSED
   */
  irq(which: number | IrqName): DeviceIrq {
    const irq = this.#live().irqs.at(typeof which === 'number' ? which : irqIndexByName[which]);
    if (irq === undefined) throw invalidArgument(`${this.name} has no interrupt ${which}`);
    return irq;
  }

  /** What the kernel tells of its interrupts, by index; undefined for those that it lacks. */
  get irqInfos(): readonly (IrqInfo | undefined)[] {
    return this.#parts.infos.irqs;
  }

  /** All interrupts, by index. */
  get irqs(): readonly DeviceIrq[] {
    return this.#live().irqs.all();
  }

  /** Resets the function. @throws ERR_NOT_SUPPORTED where it cannot, EAGAIN */
  async reset(): Promise<void> {
    const { attached, live } = this.#live();
    if ((attached.info.flags & VFIO_DEVICE_FLAGS_RESET) === 0) {
      // Source: vfio_pci_dev_set_try_reset
      const hint =
        'the function cannot be reset by itself: reset its own registers, or detach every device of its bus, which ' +
        'vfio-pci then resets where it can';
      throw new VfioError('the device has no reset', { code: 'ERR_NOT_SUPPORTED', device: this.name, hint });
    }
    await live.run(() =>
      callKernel('resetDevice', { device: this.name }, () => attached.kernel.resetDevice(attached.deviceFd)),
    );
  }

  /**
   * Tells which devices a reset of the slot or bus would take along, this one among them; undefined where there is
   * neither to reset, nor a kernel that can. Source: VFIO_DEVICE_GET_PCI_HOT_RESET_INFO
   */
  queryHotReset(): HotResetDevice[] | undefined {
    return queryHotReset(this.#live().attached);
  }

  /**
   * Resets the slot or bus with every device on it; the kernel saves and restores their config space.
   * @throws ERR_NOT_SUPPORTED; EPERM when it takes along a device that is not the engine's, by name; EINVAL when one is
   *   not bound to a VFIO driver, ENOTTY when the reset failed, EAGAIN
   */
  async hotReset(): Promise<void> {
    const { attached, live } = this.#live();
    await live.run(() => hotReset(attached, this.name));
  }

  /**
   * Gives the device back; calls share the work. All of it is done whatever fails. Accesses that are under way end first;
   * polls, copies and programs stop where they are, and what has not begun is refused: ERR_CLOSED, through whatever was kept
   * of the device.
   * @throws the first error, the further ones as its cause
   */
  detach(): Promise<void> {
    this.#parts.live.end();
    this.#detaching ??= this.#parts.detach(this);
    return this.#detaching;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.detach();
  }

  #regionNumbers(): string {
    return this.regions.map((region) => region.regionIndex).join(', ');
  }

  #live(): DeviceParts {
    this.#parts.live.require();
    return this.#parts;
  }
}
