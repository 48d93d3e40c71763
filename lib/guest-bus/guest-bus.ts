/**
 * The bus of an emulator's guest. An emulator implements it, and `placeRegion` calls it to make the regions of a device
 * appear to the guest. A bus throws when it cannot accept a range, because it overlaps another one or no memory slot is
 * left. `placeRegion` then undoes what it has placed.
 *
 * Thread: all calls run on the thread that places the region. The handlers run on the thread on which the bus calls them.
 */
export interface GuestBus {
  /**
   * Gives the guest direct access to memory of this process.
   * @param gpa guest physical address, a multiple of the page size
   * @param view the bytes; they stay at the same place in memory until `unmapMemory`
   * @param slot how the bus maps them
   */
  mapMemory(gpa: bigint, view: Uint8Array, slot: GuestMemorySlot): void;
  /** Undoes `mapMemory`. @param gpa the address that was given to it */
  unmapMemory(gpa: bigint): void;
  /**
   * Sends the guest's memory accesses in a range to the handlers.
   * @param gpa guest physical address
   * @param size of the range in bytes
   */
  registerMmio(gpa: bigint, size: number, handlers: AccessHandlers): void;
  /** Undoes `registerMmio`. @param gpa the address that was given to it */
  unregisterMmio(gpa: bigint): void;
  /**
   * Sends the guest's port accesses in a range to the handlers.
   * @param port 0 to 0xffff
   * @param size of the range in ports
   */
  registerPio(port: number, size: number, handlers: AccessHandlers): void;
  /** Undoes `registerPio`. @param port the port that was given to it */
  unregisterPio(port: number): void;
}

/** How the bus maps guest memory. */
export interface GuestMemorySlot {
  /**
   * Bytes, a multiple of the page size. It exceeds the length of the view by less than a page when the region ends inside a
   * page.
   */
  readonly size: number;
  /** Whether the guest may write. The bus drops a guest's write to memory that is not writable. */
  readonly writable: boolean;
}

/**
 * Answers the trapped accesses of a guest. Values travel as little-endian bytes in a buffer of the bus, for example the
 * data field of an exit record of KVM. No access of any length allocates memory.
 *
 * Thread: the one on which the bus calls them. They return when the device has answered, as a vCPU waits for its access.
 */
export interface AccessHandlers {
  /**
   * Reads bytes into the start of `data`.
   * @param offset bytes from the start of the registered range
   * @param length bytes
   * @returns false when the access failed; the bytes are then all ones, as on a real bus
   */
  read(offset: number, data: Uint8Array, length: number): boolean;
  /**
   * Writes bytes from the start of `data`.
   * @param offset bytes from the start of the registered range
   * @param length bytes
   * @returns false when the access failed; it is then dropped, as on a real bus
   */
  write(offset: number, data: Uint8Array, length: number): boolean;
}
