/**
 * The guest bus: what an emulator implements so that a device's regions appear to its guest. `placeRegion` drives it.
 * A bus throws when it cannot take a range (overlap, no slot left); `placeRegion` then takes back what it had placed.
 *
 * Thread: all of it on the thread that placed the region, which is the one that runs the handlers.
 */
export interface GuestBus {
  /**
   * Gives the guest direct access to memory of this process.
   * @param gpa guest physical address, a multiple of the page size
   * @param view the bytes; the same memory stays behind it until `unmapMemory`
   * @param slot how the bus is to map it
   */
  mapMemory(gpa: bigint, view: Uint8Array, slot: GuestMemorySlot): void;
  /** Takes back what `mapMemory` gave at this address. */
  unmapMemory(gpa: bigint): void;
  /** Sends the guest's accesses to [gpa, gpa + size) to the handlers. */
  registerMmio(gpa: bigint, size: number, handlers: AccessHandlers): void;
  /** Takes back what `registerMmio` gave at this address. */
  unregisterMmio(gpa: bigint): void;
  /** Sends the guest's accesses to ports [port, port + size) to the handlers. */
  registerPio(port: number, size: number, handlers: AccessHandlers): void;
  /** Takes back what `registerPio` gave at this port. */
  unregisterPio(port: number): void;
}

/** How guest memory is mapped. */
export interface GuestMemorySlot {
  /** Bytes, a multiple of the page size; it may pass the view's length by less than a page (a region of part of one). */
  readonly size: number;
  /** Whether the guest may write. A write to memory that is not writable is the bus's to drop. */
  readonly writable: boolean;
}

/**
 * What answers a guest's trapped access. Values travel as little-endian bytes in a buffer of the bus's own (the data
 * field of its exit record, say), so that no access of any length allocates.
 */
export interface AccessHandlers {
  /**
   * Reads `length` bytes at `offset` of the registered range into data[0] and on.
   * @returns false when the access could not be made; the bytes are then all ones, as on a real bus
   */
  read(offset: number, data: Uint8Array, length: number): boolean;
  /**
   * Writes `length` bytes from data[0] and on at `offset` of the registered range.
   * @returns false when the access could not be made; it is then dropped, as on a real bus
   */
  write(offset: number, data: Uint8Array, length: number): boolean;
}
