import { argumentError, requireArray, requireObject, requireString } from '../base/arguments.js';
import { type RegionDescriptor, requireDescriptor } from '../region/descriptor.js';
import { requireNoCopies } from './copied-memory.js';

/** What the thread of a driver function gets. Structured clone copies it. */
export interface DriverTask {
  /** The URL of the module whose default export is the function. */
  readonly module: string;
  /** The regions that the function may access. */
  readonly regions: readonly RegionDescriptor[];
  /** DMA memory by name. */
  readonly buffers: Readonly<Record<string, SharedArrayBuffer>>;
  /** The function's own arguments. Memory in it must be in a SharedArrayBuffer. */
  readonly args: unknown;
}

/** Rejects a task that no driver function can run. @throws ERR_INVALID_ARGUMENT */
export function requireDriverTask(task: DriverTask): void {
  requireObject('task', task);
  requireString('module', task.module);
  requireArray('regions', task.regions);
  task.regions.forEach(requireDescriptor);
  requireBuffers(task.buffers);
  requireNoCopies('args', task.args);
}

/** Checks the buffers of a driver function. @throws ERR_INVALID_ARGUMENT */
export function requireBuffers(buffers: DriverTask['buffers']): void {
  requireObject('buffers', buffers);
  for (const [name, buffer] of Object.entries(buffers)) {
    if (!(buffer instanceof SharedArrayBuffer)) throw argumentError(`buffers.${name}`, 'a SharedArrayBuffer', buffer);
  }
}
