import type { AccessHandlers } from './guest-bus.js';
import type { AccessPort, PlaceableRegion } from './placeable-region.js';

/** An access of the guest that failed. */
export interface GuestFault {
  /** The index of the region in its device. */
  readonly regionIndex: number;
  /** Bytes from the start of the region. */
  readonly regionOffset: number;
  /** Bytes. */
  readonly length: number;
  /** Whether the access was a write. */
  readonly write: boolean;
  /**
   * `length`: the bus has no accesses of this length; `bounds`: the access exceeds the region; `flags`: the region cannot
   * be read (or written); `io`: the device or the kernel failed.
   */
  readonly reason: 'length' | 'bounds' | 'flags' | 'io';
  /** The positive errno of `io`; 0 for the other reasons. */
  readonly errno: number;
}

/** Counts and reports the faults of a placement. */
export interface FaultLog {
  count: number;
  readonly report: ((fault: GuestFault) => void) | undefined;
}

/** Tells whether a bus has accesses of a length: 1 to 8 bytes on memory; 1, 2 and 4 bytes on ports. */
export type LengthRule = (length: number) => boolean;

export const mmioLengths: LengthRule = (length) => length >= 1 && length <= 8;
export const pioLengths: LengthRule = (length) => length === 1 || length === 2 || length === 4;

/**
 * Answers a guest's accesses to a range of a region. An access that is not naturally aligned, or whose length is not a
 * power of two, is split into the widest aligned ones, in ascending order, as the kernel splits a pread of the same bytes.
 * Nothing is allocated, except for the report of an access that fails.
 */
export class RegionHandlers implements AccessHandlers {
  readonly #region: PlaceableRegion;
  readonly #port: AccessPort;
  /** The offset in the region at which the registered range starts. */
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
    const errno = refused === undefined ? -this.#readParts(start, data, length) : 0;
    if (refused === undefined && errno === 0) return true;
    data.fill(0xff, 0, length);
    return this.#fault(start, length, false, refused ?? 'io', errno);
  }

  write(offset: number, data: Uint8Array, length: number): boolean {
    const start = this.#base + offset;
    const refused = this.#check(start, length, this.#region.writable);
    const errno = refused === undefined ? -this.#writeParts(start, data, length) : 0;
    if (refused === undefined && errno === 0) return true;
    return this.#fault(start, length, true, refused ?? 'io', errno);
  }

  #readParts(start: number, data: Uint8Array, length: number): number {
    for (let done = 0; done < length;) {
      const width = widestAligned(start + done, length - done);
      const status = this.#port.read(start + done, width, data, done);
      if (status !== 0) return status;
      done += width;
    }
    return 0;
  }

  #writeParts(start: number, data: Uint8Array, length: number): number {
    for (let done = 0; done < length;) {
      const width = widestAligned(start + done, length - done);
      const status = this.#port.write(start + done, width, data, done);
      if (status !== 0) return status;
      done += width;
    }
    return 0;
  }

  #check(start: number, length: number, allowed: boolean): GuestFault['reason'] | undefined {
    if (!this.#lengths(length)) return 'length';
    if (start < 0 || start + length > this.#region.size) return 'bounds';
    return allowed ? undefined : 'flags';
  }

  #fault(start: number, length: number, write: boolean, reason: GuestFault['reason'], errno: number): boolean {
    this.#faults.count++;
    this.#faults.report?.({ regionIndex: this.#region.regionIndex, regionOffset: start, length, write, reason, errno });
    return false;
  }
}

/** Returns the width of the widest naturally aligned access at an offset that does not exceed the remaining bytes. */
function widestAligned(offset: number, left: number): number {
  if (left >= 8 && (offset & 7) === 0) return 8;
  if (left >= 4 && (offset & 3) === 0) return 4;
  return left >= 2 && (offset & 1) === 0 ? 2 : 1;
}
