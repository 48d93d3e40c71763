import {
  argumentError,
  requireArray,
  requireBoolean,
  requireObject,
  requireOneOf,
  requireOptions,
  requireString,
  requireInteger,
} from '../base/arguments.js';
import { BACKEND_NAMES, type BackendName } from '../backends/backend.js';
import type { IdOverrides } from '../config-space/config-space.js';
import type { TrapRegions } from '../device/open-regions.js';
import type { OnRequest } from '../device/request-watch.js';
import { DmaSpace } from '../dma/dma-space.js';
import type { FaultPlan } from '../faults/fault-plan.js';
import type { VfioKernel } from '../kernel/kernel.js';
import type { SoftwareMachine } from '../software/machine/software-machine.js';
import type { PoolOptions } from '../pool/options.js';
import type { WorkerPool } from '../pool/pool.js';

/** How `Engine.attach` attaches a device. */
export interface AttachOptions {
  /**
   * The backend that attaches the device. `auto` tries iommufd first, then the container. Default: the one of the engine's
   * options.
   */
  readonly backend?: 'auto' | BackendName;
  /** The address space of its DMA. Devices of one IOMMU group share one. Default: `engine.dma`. */
  readonly dma?: DmaSpace;
  /** Whether the device is reset first, if it has a reset. A failure is published as a warning. Default: true. */
  readonly reset?: boolean;
  /** Whether the device may do DMA and send interrupt messages at once. Default: false; see `config.setBusMaster`. */
  readonly busMaster?: boolean;
  /**
   * What happens when the kernel asks for the device because its driver is being unbound. `detach` (default) detaches it at
   * once. A function is called first and has 5 s. `ignore` leaves the interrupt to `device.irq('req')`; the unbinding then
   * waits until the user detaches the device.
   */
  readonly onRequest?: OnRequest;
  /**
   * The regions that are not mapped although they could be: all (true) or a list of indexes. Every access is then a `pread`
   * or `pwrite`, which is slower and visible to the kernel. Default: false.
   */
  readonly trap?: TrapRegions;
  /** Ids that config space shows instead of those of the device. */
  readonly ids?: IdOverrides;
}

/** Settings of an engine. */
export interface EngineOptions {
  /** The kernels in which the engine looks for a device, in order. The caller closes them. Default: the software core, then Linux. */
  readonly kernels?: readonly VfioKernel[];
  /** The software machine of the default kernels. Default: that of the process, with the devices `edu` and `testdev`. */
  readonly machine?: SoftwareMachine;
  /**
   * The worker threads. Settings start a pool of the engine's own with the first device. A `WorkerPool` can serve several
   * engines; the caller closes it.
   */
  readonly pool?: PoolOptions | WorkerPool;
  /** The backend of devices whose `attach` names none. Default: `auto`. */
  readonly backend?: 'auto' | BackendName;
  /** Faults that are injected into the kernels, the accesses and the interrupts of all devices. Default: none. */
  readonly faults?: FaultPlan;
}

const BACKEND_CHOICES: readonly string[] = ['auto', ...BACKEND_NAMES];

/** Checks the settings of an engine, except those of its pool, which are checked when it starts. @throws ERR_INVALID_ARGUMENT */
export function requireEngineOptions(options: EngineOptions): void {
  requireOptions(options);
  const { kernels = [], machine, pool = {}, backend = 'auto', faults } = options;
  requireArray('kernels', kernels);
  // Not by instanceof: that would load the software core for users of real devices.
  if (machine !== undefined && typeof machine?.process !== 'function') {
    throw argumentError('machine', 'a SoftwareMachine', machine);
  }
  // Not by instanceof: that would load the plans for users who inject no faults.
  if (faults !== undefined && typeof faults?.wrap !== 'function') throw argumentError('faults', 'a FaultPlan', faults);
  requireObject('pool', pool);
  requireOneOf('backend', backend, BACKEND_CHOICES);
}

/** Checks the arguments of an attach before it begins. @throws ERR_INVALID_ARGUMENT */
export function requireAttach(name: string, options: AttachOptions): void {
  requireString('name', name);
  requireOptions(options);
  const { backend = 'auto', dma, reset, busMaster, onRequest = 'detach', trap = false, ids = {} } = options;
  requireOneOf('backend', backend, BACKEND_CHOICES);
  requireBoolean('reset', reset);
  requireBoolean('busMaster', busMaster);
  if (dma !== undefined && !(dma instanceof DmaSpace)) throw argumentError('dma', 'a DmaSpace', dma);
  if (onRequest !== 'detach' && onRequest !== 'ignore' && typeof onRequest !== 'function') {
    throw argumentError('onRequest', "'detach', 'ignore' or a function", onRequest);
  }
  requireTrap(trap);
  requireObject('ids', ids);
}

function requireTrap(trap: TrapRegions): void {
  if (typeof trap === 'boolean') return;
  if (!Array.isArray(trap)) throw argumentError('trap', 'true, false or an array of region indexes', trap);
  trap.forEach((regionIndex: number, i) => requireInteger(`trap[${i}]`, regionIndex, 0));
}
