import { argumentError, isObject } from '../base/arguments.js';
import type { MappingHandle } from '../kernel/kernel.js';
import type { RegionHandle } from '../native/lane.js';

/** A region as another thread can open it: `new RegionAccess(descriptor)`. Structured clone copies it. */
export interface RegionDescriptor {
  /** The region's handle, valid on every thread of the process. No other region ever has it. */
  readonly handle: RegionHandle;
  /** The name of the region's device. */
  readonly device: string;
  /** VFIO_PCI_BAR0_REGION_INDEX and so on. */
  readonly regionIndex: number;
  /** Bytes. */
  readonly size: number;
  /** Whether the region can be read. */
  readonly readable: boolean;
  /** Whether the region can be written. */
  readonly writable: boolean;
  /** Whether the region is I/O ports. */
  readonly ioPort: boolean;
  /** The mapped parts, by ascending offset. All other parts are trapped. */
  readonly areas: readonly MappedArea[];
}

/** A mapped part of a region. */
export interface MappedArea {
  /** Bytes into the region. */
  readonly offset: number;
  /** Bytes. */
  readonly size: number;
  /** The handle of the mapping. */
  readonly mapping: MappingHandle;
}

/** Rejects a value that does not describe a region. @throws ERR_INVALID_ARGUMENT */
export function requireDescriptor(descriptor: RegionDescriptor | undefined): void {
  if (isObject(descriptor) && Number.isSafeInteger(descriptor.handle) && descriptor.handle >= 0) return;
  throw argumentError('descriptor', 'the descriptor of a region', descriptor);
}
