/**
 * What the guest bus needs to know of a region. `placeRegion` derives it from a `Region` or a `RegionAccess`. An emulator
 * implements it to place a region of its own.
 */
export interface PlaceableRegion {
  /** The index of the region in its device. */
  readonly regionIndex: number;
  /** Bytes. */
  readonly size: number;
  /** Whether the region can be read. */
  readonly readable: boolean;
  /** Whether the region can be written. */
  readonly writable: boolean;
  /** Whether the region is I/O ports, which a guest reaches by its port instructions. */
  readonly ioPort: boolean;
  /** The mapped areas, by ascending offset; empty if the region is trapped. */
  readonly areas: readonly AreaView[];
  /** Makes the accesses on the calling thread. */
  readonly accessor: AccessPort;
}

/** The memory of one mapped area of a region. */
export interface AreaView {
  /** Bytes from the start of the region. */
  readonly regionOffset: number;
  /** The bytes of the area. */
  readonly view: Uint8Array;
}

/**
 * Makes synchronous accesses of 1, 2, 4 or 8 bytes, naturally aligned. Values are little-endian bytes in the caller's
 * buffer and failures are numbers, because a number of 2^31 or more, a bigint and an error each allocate memory.
 */
export interface AccessPort {
  /**
   * Reads `width` bytes into `data` from index `at` on.
   * @returns 0, or a negative errno; the bytes are then undefined
   */
  read(regionOffset: number, width: number, data: Uint8Array, at: number): number;
  /** Writes `width` bytes of `data` from index `at` on. @returns 0, or a negative errno */
  write(regionOffset: number, width: number, data: Uint8Array, at: number): number;
}
