import type { MappingHandle } from '../kernel/kernel.js';
import type { RegionHandle } from '../native/lane.js';

/** A region as another thread can open it: structured clone carries it. */
export interface RegionDescriptor {
  readonly handle: RegionHandle;
  readonly device: string;
  readonly regionIndex: number;
  /** Bytes. */
  readonly size: number;
  readonly readable: boolean;
  readonly writable: boolean;
  /** Whether the region is I/O ports. */
  readonly ioPort: boolean;
  readonly areas: readonly MappedArea[];
}

/** A mapped part of a region; bytes. */
export interface MappedArea {
  readonly offset: number;
  readonly size: number;
  readonly mapping: MappingHandle;
}
