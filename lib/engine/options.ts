import {
  argumentError,
  requireArray,
  requireBoolean,
  requireObject,
  requireOneOf,
  requireOptions,
  requireText,
  requireWhole,
} from '../base/arguments.js';
import type { BackendName } from '../backends/backend.js';
import type { IdOverrides } from '../config-space/config-space.js';
import type { TrapRegions } from '../device/open-regions.js';
import type { OnRequest } from '../device/request-watch.js';
import { DmaSpace } from '../dma/dma-space.js';
import type { VfioKernel } from '../kernel/kernel.js';
import type { SoftwareMachine } from '../software/machine/software-machine.js';
import type { PoolOptions } from '../pool/options.js';
import type { WorkerPool } from '../pool/pool.js';

/** How a device is to be attached. */
export interface AttachOptions {
  readonly backend?: 'auto' | BackendName;
  /** The address space of its DMA; devices of one group share one. Default: `engine.dma`. */
  readonly dma?: DmaSpace;
  /** Whether the device is reset first, where it can be; a failure is published as a warning. Default true. */
  readonly reset?: boolean;
  /** Whether the device may do DMA and send messages at once. Default false: `config.setBusMaster` turns it on. */
  readonly busMaster?: boolean;
  /**
   * What to do when the kernel wants the device back because its driver is being unbound: `detach` it at once (default);
   * call a function first, which has 5 s; or `ignore` it, and leave REQ to `device.irq(VFIO_PCI_REQ_IRQ_INDEX)`: the
   * unbinding then waits until the device is detached.
   */
  readonly onRequest?: OnRequest;
  /**
   * Regions whose every access is to be a `pread` or `pwrite`, though they could be mapped: all, or those of some indexes.
   * Slower, and seen by the kernel. Default false.
   */
  readonly trap?: TrapRegions;
  /** Ids that config space shows instead of the device's. */
  readonly ids?: IdOverrides;
}

/** Settings of an engine. */
export interface EngineOptions {
  /** The kernels to ask for a device, in this order; they stay the caller's. Default: the software core, then Linux. */
  readonly kernels?: readonly VfioKernel[];
  /** The software machine of the default kernels. Default: the process's, with `edu` and `testdev`. */
  readonly machine?: SoftwareMachine;
  /**
   * The worker threads: settings of its own ones, which start with the first device, or a pool for several engines, which
   * stays the caller's to close.
   */
  readonly pool?: PoolOptions | WorkerPool;
  /** How devices are attached unless `attach` says otherwise. Default `auto`: what the kernel has. */
  readonly backend?: 'auto' | BackendName;
}

const BACKENDS = ['auto', 'container', 'iommufd'] satisfies ('auto' | BackendName)[];

/** Checks the settings of an engine; those of a pool of its own are checked when it starts. @throws ERR_INVALID_ARGUMENT */
export function checkEngine(options: EngineOptions): void {
  requireOptions(options);
  const { kernels = [], machine, pool = {}, backend = 'auto' } = options;
  requireArray('kernels', kernels);
  // Not by its class: who has real devices alone need not load the software core.
  if (machine !== undefined && typeof machine?.process !== 'function') {
    throw argumentError('machine', 'a SoftwareMachine', machine);
  }
  requireObject('pool', pool);
  requireOneOf('backend', backend, BACKENDS);
}

/** Checks what a device is to be attached by, before anything is begun. @throws ERR_INVALID_ARGUMENT */
export function checkAttach(name: string, options: AttachOptions): void {
  requireText('name', name);
  requireOptions(options);
  const { backend = 'auto', dma, reset, busMaster, onRequest = 'detach', trap = false, ids = {} } = options;
  requireOneOf('backend', backend, BACKENDS);
  requireBoolean('reset', reset);
  requireBoolean('busMaster', busMaster);
  if (dma !== undefined && !(dma instanceof DmaSpace)) throw argumentError('dma', 'a DmaSpace', dma);
  if (onRequest !== 'detach' && onRequest !== 'ignore' && typeof onRequest !== 'function') {
    throw argumentError('onRequest', "'detach', 'ignore' or a function", onRequest);
  }
  checkTrap(trap);
  requireObject('ids', ids);
}

function checkTrap(trap: TrapRegions): void {
  if (typeof trap === 'boolean') return;
  if (!Array.isArray(trap)) throw argumentError('trap', 'true, false or an array of region indexes', trap);
  trap.forEach((regionIndex: number, i) => requireWhole(`trap[${i}]`, regionIndex, 0));
}
