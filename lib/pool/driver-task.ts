import type { RegionDescriptor } from '../region/descriptor.js';

/** What a driver function's thread is told; structured clone carries it. */
export interface DriverTask {
  /** The URL of the module whose default export is the function. */
  readonly module: string;
  /** The regions it may touch, by index. */
  readonly regions: readonly RegionDescriptor[];
  /** DMA memory by name. */
  readonly buffers: Readonly<Record<string, SharedArrayBuffer>>;
  /** The caller's own. */
  readonly args: unknown;
}
