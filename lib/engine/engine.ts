import { argumentError } from '../base/arguments.js';
import type { Backend, BackendName } from '../backends/backend.js';
import { ContainerBackend } from '../backends/container/backend.js';
import { FirstThatAttaches } from '../backends/first-that-attaches.js';
import { hasIommufd, IommufdBackend } from '../backends/iommufd/backend.js';
import { isUuid } from '../sysfs/device-id.js';
import { Device } from '../device/device.js';
import { announced, isAttachObserved } from '../base/diagnostics.js';
import { DmaSpace } from '../dma/dma-space.js';
import { type AttachOptions, checkAttach, checkEngine, type EngineOptions } from './options.js';
import { KernelSet, type LocatedDevice } from './kernel-set.js';
import { openDevice } from '../device/open-device.js';
import { RequestWatch } from '../device/request-watch.js';
import { systemError, VfioError } from '../base/errors.js';
import type { VfioKernel } from '../kernel/kernel.js';
import { Once } from '../base/once.js';
import { WorkerPool } from '../pool/pool.js';
import { Unwinding } from '../base/unwinding.js';
import { queryGroupId } from '../sysfs/iommu-group.js';

export type { AttachOptions, EngineOptions } from './options.js';

/** An attached device: the steps that detach it, and the number of its IOMMU group. */
interface AttachedEntry {
  readonly undo: Unwinding;
  readonly group: string | undefined;
}

/**
 * Attaches devices and detaches them; owns the address space that they share by default. Everything that it says it
 * attached, `close` gives back. Thread: the one that made it.
 */
export class Engine {
  /** The address space of devices that are attached without one of their own. */
  readonly dma = new DmaSpace();
  readonly #options: EngineOptions;
  readonly #backends = new Map<VfioKernel, Map<BackendName, Backend>>();
  readonly #devices = new Map<Device, AttachedEntry>();
  readonly #attaching = new Set<Promise<unknown>>();
  readonly #kernels = new Once<KernelSet>();
  /** Its own one. */
  readonly #pool = new Once<WorkerPool>();
  #started: WorkerPool | undefined;
  #closing: Promise<void> | undefined;

  /** @throws ERR_INVALID_ARGUMENT */
  constructor(options: EngineOptions = {}) {
    checkEngine(options);
    this.#options = options;
  }

  /** The attached devices, in the order they were attached. */
  get devices(): readonly Device[] {
    return [...this.#devices.keys()];
  }

  /** @internal The pool's threads, for tests that end them. */
  get workerThreads(): WorkerPool['threads'] {
    return this.#started?.threads ?? [];
  }

  /**
   * Attaches a device. Whatever fails, nothing stays open.
   * @param name `[dddd:]bb:dd.f`, a path under /sys, an mdev's UUID, or the name of a software device
   * @throws ERR_INVALID_ARGUMENT for wrong options; ENODEV for none such, and for one that the kernel wants back meanwhile;
   *   EBUSY when it is attached; EPERM when its group is not viable; what the kernel answers
   */
  async attach(name: string, options: AttachOptions = {}): Promise<Device> {
    this.#checkOpen();
    checkAttach(name, options);
    const attaching = this.#attach(name, options);
    this.#attaching.add(attaching);
    try {
      return await attaching;
    } finally {
      this.#attaching.delete(attaching);
    }
  }

  /** Detaches a device; the same as `device.detach()`. @throws (rejects) ERR_INVALID_ARGUMENT if `device` is not a Device */
  async detach(device: Device): Promise<void> {
    if (!(device instanceof Device)) throw argumentError('device', 'a Device of `attach`', device);
    await device.detach();
  }

  /** Detaches all devices and ends what the engine started, whatever fails. Closing twice shares the work. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #attach(name: string, options: AttachOptions): Promise<Device> {
    const located = await (await this.#openedKernels()).locate(name);
    const wanted = options.backend ?? this.#options.backend ?? 'auto';
    const attacher = this.#attacher(located.kernel, wanted);
    const facts = {
      device: located.name,
      backend: wanted,
      group: isAttachObserved() ? await groupOf(located) : undefined,
    };
    return announced('attach', facts, () => this.#open(located, attacher, options));
  }

  async #open(located: LocatedDevice, backend: Pick<Backend, 'attach'>, options: AttachOptions): Promise<Device> {
    const { name, sysfsPath } = located;
    const { dma = this.dma, reset = true, busMaster = false, ids, onRequest = 'detach', trap = false } = options;
    const undo = new Unwinding();
    try {
      const pool = await this.#startedPool();
      // Before anything is opened: a pool that is closed, or has no worker left, has none.
      const lane = pool.lane();
      undo.push(() => pool.giveLane(lane));
      undo.push(dma.mappings.countDevice({ mediated: isUuid(name) }));
      const request = new RequestWatch(onRequest);
      undo.push(() => request.close());
      const meanwhile = (): void => request.prepare();
      const attached = await backend.attach({ name, sysfsPath, space: dma.mappings, reset, meanwhile });
      const detach = (device: Device): Promise<void> => this.#detach(device);
      const parts = { name, dma, ids, busMaster, trap, pool, lane, detach };
      const group = attached.groupId ?? (await groupOf(located));
      const device = await openDevice(attached, parts, undo);
      this.#devices.set(device, { undo, group });
      await request.arm(device);
      if (!device.attached) throw await askedBack(device);
      return device;
    } catch (error) {
      throw await undo.failed(error);
    }
  }

  #detach(device: Device): Promise<void> {
    const entry = this.#devices.get(device);
    if (entry === undefined) throw new VfioError('the device is not of this engine', { code: 'ERR_INVALID_ARGUMENT' });
    return announced('detach', { device: device.name, backend: device.backend, group: entry.group }, async () => {
      try {
        await entry.undo.runOrThrow();
      } finally {
        this.#devices.delete(device);
      }
    });
  }

  async #close(): Promise<void> {
    await Promise.allSettled(this.#attaching);
    const undo = new Unwinding();
    const kernels = this.#kernels.begun;
    if (kernels !== undefined) undo.push(async () => (await kernels).close());
    const pool = this.#pool.begun;
    if (pool !== undefined) undo.push(async () => (await pool).close());
    undo.push(() => this.dma.unmapAll());
    for (const device of this.#devices.keys()) undo.push(() => device.detach());
    await undo.runOrThrow();
  }

  /** The way, or for `auto` the ways in turn: a device's own node first, where the kernel has such. */
  #attacher(kernel: VfioKernel, wanted: 'auto' | BackendName): Pick<Backend, 'attach'> {
    if (wanted !== 'auto') return this.#backend(kernel, wanted);
    const ways: BackendName[] = hasIommufd(kernel) ? ['iommufd', 'container'] : ['container'];
    return new FirstThatAttaches(ways.map((name) => this.#backend(kernel, name)));
  }

  #backend(kernel: VfioKernel, name: BackendName): Backend {
    const backends = this.#backends.get(kernel) ?? new Map<BackendName, Backend>();
    this.#backends.set(kernel, backends);
    const backend = backends.get(name) ?? makeBackend(name, kernel);
    backends.set(name, backend);
    return backend;
  }

  /** Starts the workers with the first device; a start that failed is tried again with the next one. */
  async #startedPool(): Promise<WorkerPool> {
    const { pool } = this.#options;
    if (pool instanceof WorkerPool) return (this.#started = pool);
    return (this.#started = await this.#pool.run(() => WorkerPool.start(pool)));
  }

  /** Gathers the kernels with the first device; what failed is tried again with the next one. */
  #openedKernels(): Promise<KernelSet> {
    const { kernels, machine } = this.#options;
    return this.#kernels.run(() =>
      kernels === undefined ? KernelSet.standard(machine) : Promise.resolve(KernelSet.of(kernels)),
    );
  }

  #checkOpen(): void {
    if (this.#closing !== undefined) throw new VfioError('the engine is closed', { code: 'ERR_CLOSED' });
  }
}

function groupOf({ kernel, sysfsPath }: LocatedDevice): Promise<string | undefined> {
  return queryGroupId(kernel.sysfs, sysfsPath);
}

/** The kernel may ask for a device back before anybody has got it: it is given back by then, or is being. */
async function askedBack(device: Device): Promise<unknown> {
  const undo = new Unwinding();
  undo.push(() => device.detach());
  const hint = 'its driver is being unbound: bind it to vfio-pci again, then attach it';
  return undo.failed(systemError('ENODEV', 'attach', { device: device.name, hint }));
}

function makeBackend(name: BackendName, kernel: VfioKernel): Backend {
  if (name === 'container') return new ContainerBackend(kernel);
  if (name === 'iommufd' && hasIommufd(kernel)) return new IommufdBackend(kernel);
  throw new VfioError(`the backend ${name} is not there`, { code: 'ERR_NOT_SUPPORTED', hint: 'take container' });
}
