import { requireBoolean, requireOneOf, requireOptions, requireText, requireWhole, shown } from '../arguments.js';
import type { BackendName } from '../backends/backend.js';
import type { IdOverrides } from '../config-space/config-space.js';
import type { TrapRegions } from '../device/open-regions.js';
import type { OnRequest } from '../device/request.js';
import { DmaSpace } from '../dma/dma.js';
import { invalidArgument } from '../errors.js';

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

const BACKENDS = ['auto', 'container', 'iommufd', 'vfio-user'] satisfies ('auto' | BackendName)[];

/** Checks what a device is to be attached by, before anything is begun. @throws ERR_INVALID_ARGUMENT */
export function checkAttach(name: string, options: AttachOptions): void {
  requireText('the name', name);
  requireOptions(options);
  const { backend = 'auto', dma, reset, busMaster, onRequest = 'detach', trap = false, ids = {} } = options;
  requireOneOf('backend', backend, BACKENDS);
  requireBoolean('reset', reset);
  requireBoolean('busMaster', busMaster);
  if (dma !== undefined && !(dma instanceof DmaSpace)) throw invalidArgument(`dma is ${shown(dma)}`, 'give a DmaSpace');
  if (onRequest !== 'detach' && onRequest !== 'ignore' && typeof onRequest !== 'function') {
    throw invalidArgument(`onRequest is ${shown(onRequest)}`, 'give detach, ignore or a function');
  }
  checkTrap(trap);
  if (typeof ids !== 'object' || ids === null) throw invalidArgument(`ids is ${shown(ids)}`, 'give an object');
}

function checkTrap(trap: TrapRegions): void {
  if (typeof trap === 'boolean') return;
  if (!Array.isArray(trap)) throw invalidArgument(`trap is ${shown(trap)}`, 'give true, false or an array of indexes');
  for (const index of trap as readonly number[]) requireWhole('a region of trap', index, 0);
}
