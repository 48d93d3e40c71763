import { invalidArgument, VfioError } from '../base/errors.js';
import type { AccessHandlers, GuestBus, GuestMemorySlot } from './guest-bus.js';

interface Range {
  readonly start: bigint;
  readonly size: number;
  readonly memory?: { readonly view: Uint8Array; readonly writable: boolean };
  readonly handlers?: AccessHandlers;
}

/**
 * A guest bus in plain JavaScript: an address space of memory and MMIO ranges and one of I/O ports. It serves tests and
 * device models' authors; an emulator brings its own. It touches guest memory byte by byte, which is wrong for mapped
 * registers: a real guest's own accesses keep their width.
 */
export class SimpleBus implements GuestBus {
  readonly #memory = new AddressSpace();
  readonly #ports = new AddressSpace();
  readonly #data = new Uint8Array(8);
  readonly #value = new DataView(this.#data.buffer);

  /** @throws ERR_INVALID_ARGUMENT for an address or a size that is no multiple of 4096, EEXIST for an overlap */
  mapMemory(gpa: bigint, view: Uint8Array, slot: GuestMemorySlot): void {
    if (gpa % 4096n !== 0n || slot.size % 4096 !== 0) throw invalidArgument('guest memory is made of whole pages');
    this.#memory.add({ start: gpa, size: slot.size, memory: { view, writable: slot.writable } });
  }

  unmapMemory(gpa: bigint): void {
    this.#memory.remove(gpa);
  }

  /** @throws EEXIST for an overlap */
  registerMmio(gpa: bigint, size: number, handlers: AccessHandlers): void {
    this.#memory.add({ start: gpa, size, handlers });
  }

  unregisterMmio(gpa: bigint): void {
    this.#memory.remove(gpa);
  }

  /** @throws EEXIST for an overlap */
  registerPio(port: number, size: number, handlers: AccessHandlers): void {
    if (port < 0 || port + size > 0x10000) throw invalidArgument('I/O ports are 0 to 0xffff');
    this.#ports.add({ start: BigInt(port), size, handlers });
  }

  unregisterPio(port: number): void {
    this.#ports.remove(BigInt(port));
  }

  /** The count of ranges of either kind. */
  get size(): number {
    return this.#memory.size + this.#ports.size;
  }

  /** Reads as the guest would. @param length 1 to 8 bytes @returns all ones where nothing answers */
  read(gpa: bigint, length: number): bigint {
    return this.#read(this.#memory, gpa, length);
  }

  /** Writes as the guest would; lost where nothing answers. @param length 1 to 8 bytes */
  write(gpa: bigint, length: number, value: bigint): void {
    this.#write(this.#memory, gpa, length, value);
  }

  /** Reads a port as the guest's IN does. @param length 1, 2 or 4 bytes */
  readPort(port: number, length: number): number {
    return Number(this.#read(this.#ports, BigInt(port), length));
  }

  /** Writes a port as the guest's OUT does. @param length 1, 2 or 4 bytes */
  writePort(port: number, length: number, value: number): void {
    this.#write(this.#ports, BigInt(port), length, BigInt(value));
  }

  #read(space: AddressSpace, address: bigint, length: number): bigint {
    this.#value.setBigUint64(0, 0n, true);
    this.#data.fill(0xff, 0, length);
    const range = space.find(address, length);
    if (range !== undefined) {
      const offset = Number(address - range.start);
      if (range.memory === undefined) range.handlers?.read(offset, this.#data, length);
      else this.#data.set(range.memory.view.subarray(offset, offset + length));
    }
    return this.#value.getBigUint64(0, true);
  }

  #write(space: AddressSpace, address: bigint, length: number, value: bigint): void {
    this.#value.setBigUint64(0, value, true);
    const range = space.find(address, length);
    if (range === undefined) return;
    const offset = Number(address - range.start);
    if (range.memory === undefined) range.handlers?.write(offset, this.#data, length);
    else if (range.memory.writable) range.memory.view.set(this.#data.subarray(0, length), offset);
  }
}

/** Ranges that do not overlap. */
class AddressSpace {
  readonly #ranges = new Map<bigint, Range>();

  get size(): number {
    return this.#ranges.size;
  }

  add(range: Range): void {
    const last = range.start + BigInt(range.size) - 1n;
    for (const other of this.#ranges.values()) {
      if (range.start <= other.start + BigInt(other.size) - 1n && other.start <= last) {
        const where = `0x${range.start.toString(16)}`;
        throw new VfioError(`the range at ${where} overlaps another`, { code: 'EEXIST' });
      }
    }
    this.#ranges.set(range.start, range);
  }

  remove(start: bigint): void {
    if (!this.#ranges.delete(start)) throw invalidArgument(`nothing starts at 0x${start.toString(16)}`);
  }

  /** Finds the range that holds the whole access. */
  find(address: bigint, length: number): Range | undefined {
    for (const range of this.#ranges.values()) {
      const offset = address - range.start;
      if (offset >= 0n && offset + BigInt(length) <= BigInt(range.size)) return range;
    }
    return undefined;
  }
}
