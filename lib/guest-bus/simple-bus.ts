import { requireBits, requireUint64, requireInteger, shown } from '../base/arguments.js';
import { invalidArgument, VfioError } from '../base/errors.js';
import { PORT_COUNT, requirePort } from './arguments.js';
import type { AccessHandlers, GuestBus, GuestMemorySlot } from './guest-bus.js';

/** The granule of the guest's memory, bytes; that of the machine below may be larger. */
const GUEST_PAGE_SIZE = 4096;

/** One range on the bus: memory, or handlers. */
interface BusRange {
  readonly start: bigint;
  readonly size: number;
  readonly memory?: { readonly view: Uint8Array; readonly writable: boolean };
  readonly handlers?: AccessHandlers;
}

/**
 * A guest bus in plain JavaScript: ranges of guest physical addresses and ranges of I/O ports. It is for tests and for
 * authors of device models; an emulator has a bus of its own. It accesses guest memory byte by byte, which is wrong for
 * mapped registers: the accesses of a real guest keep their width.
 */
export class SimpleBus implements GuestBus {
  readonly #memory = new BusRanges();
  readonly #ports = new BusRanges();
  readonly #data = new Uint8Array(8);
  readonly #value = new DataView(this.#data.buffer);

  /**
   * Adds a range of memory.
   * @throws ERR_INVALID_ARGUMENT for an address or a size that is not a multiple of 4096; EEXIST for an overlap
   */
  mapMemory(gpa: bigint, view: Uint8Array, slot: GuestMemorySlot): void {
    requireGpa(gpa);
    if (gpa % BigInt(GUEST_PAGE_SIZE) !== 0n || slot.size % GUEST_PAGE_SIZE !== 0) {
      const received = `Received ${slot.size} bytes at ${hexadecimal(gpa)}`;
      throw invalidArgument(`guest memory must have whole pages of ${GUEST_PAGE_SIZE} bytes. ${received}`);
    }
    this.#memory.add({ start: gpa, size: slot.size, memory: { view, writable: slot.writable } });
  }

  /** Removes a range of memory. @throws ERR_INVALID_ARGUMENT if no range starts at the address */
  unmapMemory(gpa: bigint): void {
    this.#memory.remove(gpa);
  }

  /** Adds a range of handlers. @throws EEXIST for an overlap */
  registerMmio(gpa: bigint, size: number, handlers: AccessHandlers): void {
    requireGpa(gpa);
    this.#memory.add({ start: gpa, size, handlers });
  }

  /** Removes a range of handlers. @throws ERR_INVALID_ARGUMENT if no range starts at the address */
  unregisterMmio(gpa: bigint): void {
    this.#memory.remove(gpa);
  }

  /** Adds a range of ports. @throws ERR_INVALID_ARGUMENT for a range beyond port 0xffff; EEXIST for an overlap */
  registerPio(port: number, size: number, handlers: AccessHandlers): void {
    requirePort(port);
    requireInteger('size', size, 1, PORT_COUNT - port);
    this.#ports.add({ start: BigInt(port), size, handlers });
  }

  /** Removes a range of ports. @throws ERR_INVALID_ARGUMENT if no range starts at the port */
  unregisterPio(port: number): void {
    requirePort(port);
    this.#ports.remove(BigInt(port));
  }

  /** The number of ranges: memory, MMIO and ports together. */
  get size(): number {
    return this.#memory.size + this.#ports.size;
  }

  /**
   * Reads as the guest does.
   * @param length 1 to 8 bytes
   * @returns the value; all ones if there is no range at the address
   */
  read(gpa: bigint, length: number): bigint {
    requireAccess(gpa, length);
    return this.#read(this.#memory, gpa, length);
  }

  /**
   * Writes as the guest does. The write is lost if there is no range at the address.
   * @param length 1 to 8 bytes
   * @param value its low bits are written
   */
  write(gpa: bigint, length: number, value: bigint): void {
    requireAccess(gpa, length);
    if (typeof value !== 'bigint') throw invalidArgument(`\`value\` must be a bigint. Received ${shown(value)}`);
    this.#write(this.#memory, gpa, length, value);
  }

  /** Reads a port as the guest's IN does. @param length 1, 2 or 4 bytes */
  readPort(port: number, length: number): number {
    requirePortAccess(port, length);
    return Number(this.#read(this.#ports, BigInt(port), length));
  }

  /** Writes a port as the guest's OUT does. @param length 1, 2 or 4 bytes @param value its low bits are written */
  writePort(port: number, length: number, value: number): void {
    requirePortAccess(port, length);
    requireBits('value', value);
    this.#write(this.#ports, BigInt(port), length, BigInt(value));
  }

  #read(ranges: BusRanges, address: bigint, length: number): bigint {
    this.#value.setBigUint64(0, 0n, true);
    this.#data.fill(0xff, 0, length);
    const range = ranges.find(address, length);
    if (range !== undefined) {
      const offset = Number(address - range.start);
      if (range.memory === undefined) range.handlers?.read(offset, this.#data, length);
      else this.#data.set(range.memory.view.subarray(offset, offset + length));
    }
    return this.#value.getBigUint64(0, true);
  }

  #write(ranges: BusRanges, address: bigint, length: number, value: bigint): void {
    this.#value.setBigUint64(0, value, true);
    const range = ranges.find(address, length);
    if (range === undefined) return;
    const offset = Number(address - range.start);
    if (range.memory === undefined) range.handlers?.write(offset, this.#data, length);
    else if (range.memory.writable) range.memory.view.set(this.#data.subarray(0, length), offset);
  }
}

function requireGpa(gpa: bigint): void {
  requireUint64('gpa', gpa);
}

function requireAccess(gpa: bigint, length: number): void {
  requireGpa(gpa);
  requireInteger('length', length, 1, 8);
}

/** Passes a length of 3 on: the handlers report it as a fault. */
function requirePortAccess(port: number, length: number): void {
  requirePort(port);
  requireInteger('length', length, 1, 4);
}

function hexadecimal(address: bigint): string {
  return `0x${address.toString(16)}`;
}

/** Ranges that do not overlap, by their start. */
class BusRanges {
  readonly #ranges = new Map<bigint, BusRange>();

  get size(): number {
    return this.#ranges.size;
  }

  add(range: BusRange): void {
    const last = range.start + BigInt(range.size) - 1n;
    for (const other of this.#ranges.values()) {
      if (range.start <= other.start + BigInt(other.size) - 1n && other.start <= last) {
        const message = `the range at ${hexadecimal(range.start)} overlaps the range at ${hexadecimal(other.start)}`;
        throw new VfioError(message, { code: 'EEXIST' });
      }
    }
    this.#ranges.set(range.start, range);
  }

  remove(start: bigint): void {
    if (this.#ranges.delete(start)) return;
    throw invalidArgument(`no range starts at ${typeof start === 'bigint' ? hexadecimal(start) : shown(start)}`);
  }

  /** Finds the range that contains the whole access. */
  find(address: bigint, length: number): BusRange | undefined {
    for (const range of this.#ranges.values()) {
      const offset = address - range.start;
      if (offset >= 0n && offset + BigInt(length) <= BigInt(range.size)) return range;
    }
    return undefined;
  }
}
