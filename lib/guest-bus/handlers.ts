import type { AccessHandlers } from './bus.js';
import type { AccessPort, PlaceableRegion } from './placeable.js';

/** A guest's access that could not be made. */
export interface GuestFault {
  readonly regionIndex: number;
  readonly regionOffset: number;
  readonly length: number;
  readonly write: boolean;
  /** `length`: not one the bus has; `bounds`: past the region's end; `flags`: the region cannot; `io`: it failed. */
  readonly reason: 'length' | 'bounds' | 'flags' | 'io';
  /** The failure behind `io`. */
  readonly cause?: unknown;
}

/** What a placement keeps of its faults. */
export interface FaultLog {
  count: number;
  readonly report: ((fault: GuestFault) => void) | undefined;
}

/** Whether an access length exists: 1 to 8 on memory, 1, 2 and 4 on ports. */
export type LengthRule = (length: number) => boolean;

export const mmioLengths: LengthRule = (length) => length >= 1 && length <= 8;
export const pioLengths: LengthRule = (length) => length === 1 || length === 2 || length === 4;

/**
 * Answers a guest's accesses to a range of a region. An access is made of the widest naturally aligned 1, 2 and 4 byte
 * accesses, in ascending order, as the kernel makes a pread of the same bytes; 8 bytes are two halves, the low one
 * first, because a 64-bit value in JavaScript is an allocated bigint. Nothing is allocated unless an access fails.
 */
export class RegionHandlers implements AccessHandlers {
  readonly #region: PlaceableRegion;
  readonly #port: AccessPort;
  /** Where in the region the registered range starts. */
  readonly #base: number;
  readonly #lengths: LengthRule;
  readonly #faults: FaultLog;

  constructor(region: PlaceableRegion, base: number, lengths: LengthRule, faults: FaultLog) {
    this.#region = region;
    this.#port = region.accessor;
    this.#base = base;
    this.#lengths = lengths;
    this.#faults = faults;
  }

  read(offset: number, data: Uint8Array, length: number): boolean {
    const start = this.#base + offset;
    const refused = this.#check(start, length, this.#region.readable);
    if (refused !== undefined) return this.#readFault(start, data, length, refused, undefined);
    try {
      readBytes(this.#port, start, data, length);
      return true;
    } catch (cause) {
      return this.#readFault(start, data, length, 'io', cause);
    }
  }

  write(offset: number, data: Uint8Array, length: number): boolean {
    const start = this.#base + offset;
    const refused = this.#check(start, length, this.#region.writable);
    if (refused !== undefined) return this.#fault(start, length, true, refused, undefined);
    try {
      writeBytes(this.#port, start, data, length);
      return true;
    } catch (cause) {
      return this.#fault(start, length, true, 'io', cause);
    }
  }

  #check(start: number, length: number, allowed: boolean): GuestFault['reason'] | undefined {
    if (!this.#lengths(length)) return 'length';
    if (start < 0 || start + length > this.#region.size) return 'bounds';
    return allowed ? undefined : 'flags';
  }

  #readFault(start: number, data: Uint8Array, length: number, reason: GuestFault['reason'], cause: unknown): boolean {
    data.fill(0xff, 0, length);
    return this.#fault(start, length, false, reason, cause);
  }

  #fault(start: number, length: number, write: boolean, reason: GuestFault['reason'], cause: unknown): boolean {
    this.#faults.count++;
    this.#faults.report?.({ regionIndex: this.#region.regionIndex, regionOffset: start, length, write, reason, cause });
    return false;
  }
}

/** The widest naturally aligned access at an offset that stays within what is left. */
function pieceWidth(offset: number, left: number): 1 | 2 | 4 {
  if (left >= 4 && (offset & 3) === 0) return 4;
  return left >= 2 && (offset & 1) === 0 ? 2 : 1;
}

function readBytes(port: AccessPort, start: number, data: Uint8Array, length: number): void {
  let done = 0;
  while (done < length) {
    const width = pieceWidth(start + done, length - done);
    if (width === 1) {
      data[done] = port.read8(start + done);
    } else if (width === 2) {
      storeBytes(data, done, port.read16(start + done), 2);
    } else {
      storeBytes(data, done, port.read32(start + done), 4);
    }
    done += width;
  }
}

function writeBytes(port: AccessPort, start: number, data: Uint8Array, length: number): void {
  let done = 0;
  while (done < length) {
    const width = pieceWidth(start + done, length - done);
    const at = start + done;
    const value = loadBytes(data, done, width);
    if (width === 1) port.write8(at, value);
    else if (width === 2) port.write16(at, value);
    else port.write32(at, value);
    done += width;
  }
}

function storeBytes(data: Uint8Array, at: number, value: number, count: number): void {
  for (let i = 0; i < count; i++) data[at + i] = value >>> (8 * i);
}

/** Gives the bytes as a 32-bit number, signed when all four are taken. */
function loadBytes(data: Uint8Array, at: number, count: number): number {
  let value = 0;
  for (let i = 0; i < count; i++) value |= (data[at + i] ?? 0) << (8 * i);
  return value;
}
