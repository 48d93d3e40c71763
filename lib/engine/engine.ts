import type { Backend, BackendName } from '../backends/backend.js';
import { ContainerBackend } from '../backends/container/backend.js';
import { AutoBackend } from '../backends/auto-backend.js';
import { hasIommufd, IommufdBackend } from '../backends/iommufd/backend.js';
import { argumentError } from '../base/arguments.js';
import { announced, isObserved } from '../base/diagnostics.js';
import { invalidArgument, systemError, VfioError } from '../base/errors.js';
import { Once } from '../base/once.js';
import { Unwinding } from '../base/unwinding.js';
import { Device } from '../device/device.js';
import { openDevice } from '../device/open-device.js';
import { RequestWatch } from '../device/request-watch.js';
import { DmaSpace } from '../dma/dma-space.js';
import type { VfioKernel } from '../kernel/kernel.js';
import { WorkerPool } from '../pool/pool.js';
import { isUuid } from '../sysfs/device-id.js';
import { queryGroupId } from '../sysfs/iommu-group.js';
import { KernelSet, type LocatedDevice } from './kernel-set.js';
import { type AttachOptions, type EngineOptions, requireAttach, requireEngineOptions } from './options.js';

export type { AttachOptions, EngineOptions } from './options.js';

/** An attached device: where it was found, and the steps that detach it. */
interface AttachedEntry {
  readonly located: LocatedDevice;
  readonly undo: Unwinding;
}

/**
 * Attaches and detaches devices. Owns the address space that they share by default, and the worker threads. Publishes
 * attaches and detaches on the channels `vfio-engine:attach` and `vfio-engine:detach` of `node:diagnostics_channel`.
 * Thread: the one that created it.
 */
export class Engine {
  /** The address space of devices that are attached without the option `dma`. */
  readonly dma = new DmaSpace();
  readonly #options: EngineOptions;
  readonly #backends = new Map<VfioKernel, Map<BackendName, Backend>>();
  readonly #devices = new Map<Device, AttachedEntry>();
  readonly #attaching = new Set<Promise<unknown>>();
  readonly #kernels = new Once<KernelSet>();
  /** The pool that the engine starts; unused if the caller gave a pool. */
  readonly #pool = new Once<WorkerPool>();
  #startedPool: WorkerPool | undefined;
  #closing: Promise<void> | undefined;

  /** @throws ERR_INVALID_ARGUMENT if an option is not what its type says */
  constructor(options: EngineOptions = {}) {
    requireEngineOptions(options);
    this.#options = options;
  }

  /** The attached devices, in the order of their attaches. */
  get devices(): readonly Device[] {
    return [...this.#devices.keys()];
  }

  /** @internal The threads of the pool, for tests that terminate them. */
  get workerThreads(): WorkerPool['threads'] {
    return this.#startedPool?.threads ?? [];
  }

  /**
   * Attaches a device. After a failure nothing stays open.
   * @param name `[dddd:]bb:dd.f`, a path under /sys, the UUID of a mediated device, or the name of a software device
   * @throws (rejects) ERR_INVALID_ARGUMENT; ENODEV if there is no such device, or the kernel asked for it during the attach;
   *   EBUSY if it is attached already; EPERM if its group is not viable; other errnos of the kernel; ERR_CLOSED
   */
  async attach(name: string, options: AttachOptions = {}): Promise<Device> {
    this.#requireOpen();
    requireAttach(name, options);
    const attaching = this.#attach(name, options);
    this.#attaching.add(attaching);
    try {
      return await attaching;
    } finally {
      this.#attaching.delete(attaching);
    }
  }

  /** Detaches a device, as `device.detach()` does. @throws (rejects) ERR_INVALID_ARGUMENT if `device` is not a Device */
  async detach(device: Device): Promise<void> {
    if (!(device instanceof Device)) throw argumentError('device', 'a Device', device);
    await device.detach();
  }

  /**
   * Detaches all devices and ends the threads that the engine started, even if a step fails. Further calls share the work.
   * @throws (rejects) the first error, the further ones as its cause
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** Closes the engine at the end of an `await using` block. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #attach(name: string, options: AttachOptions): Promise<Device> {
    const located = await (await this.#openKernels()).locate(name);
    const wanted = options.backend ?? this.#options.backend ?? 'auto';
    const attacher = this.#attacher(located.kernel, wanted);
    const facts = {
      device: located.name,
      backend: wanted,
      group: isObserved('attach') ? await groupOf(located) : undefined,
    };
    return announced('attach', facts, () => this.#open(located, attacher, options));
  }

  async #open(located: LocatedDevice, backend: Pick<Backend, 'attach'>, options: AttachOptions): Promise<Device> {
    const { name, sysfsPath } = located;
    const { dma = this.dma, reset = true, busMaster = false, ids, onRequest = 'detach', trap = false } = options;
    const undo = new Unwinding();
    try {
      const pool = await this.#startPool();
      // Taken before anything is opened: a pool that is closed, or whose workers have all failed, has no lane.
      const lane = pool.lane();
      undo.push(() => pool.giveLane(lane));
      const forget = this.#options.faults?.useWorker(name, () => pool.threadOf(lane));
      if (forget !== undefined) undo.push(forget);
      undo.push(dma.mappings.countDevice({ mediated: isUuid(name) }));
      const request = new RequestWatch(onRequest);
      undo.push(() => request.close());
      const onOpening = (): void => request.prepare();
      const attached = await backend.attach({ name, sysfsPath, space: dma.mappings, reset, onOpening });
      const detach = (device: Device): Promise<void> => this.#detach(device);
      const parts = { name, dma, ids, busMaster, trap, pool, lane, detach };
      const device = await openDevice(attached, parts, undo);
      this.#devices.set(device, { located, undo });
      await request.arm(device);
      if (!device.attached) throw await requestedDuringAttach(device);
      return device;
    } catch (error) {
      throw await undo.failed(error);
    }
  }

  async #detach(device: Device): Promise<void> {
    const entry = this.#devices.get(device);
    if (entry === undefined) throw invalidArgument(`${device.name} does not belong to this engine`);
    const group = device.groupId ?? (isObserved('detach') ? await groupOf(entry.located) : undefined);
    return announced('detach', { device: device.name, backend: device.backend, group }, async () => {
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
    undo.push(() => this.#options.faults?.close());
    const kernels = this.#kernels.begun;
    if (kernels !== undefined) undo.push(async () => (await kernels).close());
    const pool = this.#pool.begun;
    if (pool !== undefined) undo.push(async () => (await pool).close());
    undo.push(() => this.dma.unmapAll());
    for (const device of this.#devices.keys()) undo.push(() => device.detach());
    await undo.runOrThrow();
  }

  /** Returns the backend; for `auto` one that tries all backends of the kernel in turn, iommufd first. */
  #attacher(kernel: VfioKernel, wanted: 'auto' | BackendName): Pick<Backend, 'attach'> {
    if (wanted !== 'auto') return this.#backend(kernel, wanted);
    const names: BackendName[] = hasIommufd(kernel) ? ['iommufd', 'container'] : ['container'];
    return new AutoBackend(names.map((name) => this.#backend(kernel, name)));
  }

  #backend(kernel: VfioKernel, name: BackendName): Backend {
    const backends = this.#backends.get(kernel) ?? new Map<BackendName, Backend>();
    this.#backends.set(kernel, backends);
    const backend = backends.get(name) ?? makeBackend(name, kernel);
    backends.set(name, backend);
    return backend;
  }

  /** Starts the workers with the first device. After a failure the next device tries again. */
  async #startPool(): Promise<WorkerPool> {
    const { pool } = this.#options;
    if (pool instanceof WorkerPool) return (this.#startedPool = pool);
    return (this.#startedPool = await this.#pool.run(() => WorkerPool.start(pool)));
  }

  /** Opens the kernels with the first device. After a failure the next device tries again. */
  #openKernels(): Promise<KernelSet> {
    const { kernels, machine, faults } = this.#options;
    return this.#kernels.run(async () => {
      const set = kernels === undefined ? await KernelSet.standard(machine) : KernelSet.of(kernels);
      return faults === undefined ? set : set.wrapped((kernel) => faults.wrap(kernel));
    });
  }

  #requireOpen(): void {
    if (this.#closing !== undefined) throw new VfioError('the engine is closed', { code: 'ERR_CLOSED' });
  }
}

function groupOf({ kernel, sysfsPath }: LocatedDevice): Promise<string | undefined> {
  return queryGroupId(kernel.sysfs, sysfsPath);
}

/** Makes the error of a device that the kernel asked for, or that went, before the attach had ended. Waits for the detach. */
async function requestedDuringAttach(device: Device): Promise<unknown> {
  const undo = new Unwinding();
  undo.push(() => device.detach());
  const cause = device.removalReason;
  const hint =
    cause === undefined ? 'its driver is being unbound: bind it to vfio-pci again, then attach it' : undefined;
  return undo.failed(systemError('ENODEV', 'attach', { device: device.name, hint, cause }));
}

function makeBackend(name: BackendName, kernel: VfioKernel): Backend {
  if (name === 'container') return new ContainerBackend(kernel);
  if (name === 'iommufd' && hasIommufd(kernel)) return new IommufdBackend(kernel);
  const message = `the kernel does not support the backend ${name}`;
  throw new VfioError(message, { code: 'ERR_NOT_SUPPORTED', hint: 'use container' });
}
