/** What placing needs to know of a region; `placeable` makes it of a device's. */
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
 * Synchronous accesses to a region, naturally aligned and of 1, 2, 4 or 8 bytes. Values are little-endian bytes in the
 * caller's buffer and failures are numbers, because a number from 2^31 on, a bigint and an error are heap allocations.
 */
export interface AccessPort {
  /** Reads into data[at] and on. @returns 0, or a negative errno and the bytes are undefined */
  read(regionOffset: number, width: number, data: Uint8Array, at: number): number;
  /** Writes from data[at] and on. @returns 0, or a negative errno */
  write(regionOffset: number, width: number, data: Uint8Array, at: number): number;
}
