/** What placing needs to know of a region; `Region` of lib/region.ts is one. */
export interface PlaceableRegion {
  readonly regionIndex: number;
  /** Bytes. */
  readonly size: number;
  readonly readable: boolean;
  readonly writable: boolean;
  /** Whether the region is I/O ports, which a guest reaches by its port instructions. */
  readonly ioPort: boolean;
  /** The mapped areas, by ascending offset; none when the region is trapped. */
  readonly areas: readonly MappedArea[];
  /** What makes the accesses on this thread. */
  readonly accessor: AccessPort;
}

/** A mapped area: the memory at an offset of its region. */
export interface MappedArea {
  readonly regionOffset: number;
  readonly view: Uint8Array;
}

/**
 * Synchronous, naturally aligned accesses to a region. They throw when the device does not answer. A 32-bit value may
 * come and go as a signed number: from 2^31 on the unsigned one is a heap allocation.
 */
export interface AccessPort {
  read8(regionOffset: number): number;
  read16(regionOffset: number): number;
  read32(regionOffset: number): number;
  write8(regionOffset: number, value: number): void;
  write16(regionOffset: number, value: number): void;
  write32(regionOffset: number, value: number): void;
}
