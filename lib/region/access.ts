import { requireBits } from '../base/arguments.js';
import { VfioError } from '../base/errors.js';
import type { MappingHandle } from '../kernel/kernel.js';
import { addon } from '../native/addon.js';
import { checkAccess, requireDescriptor, statusError } from './checks.js';
import type { MappedArea, RegionDescriptor } from './descriptor.js';
import { requireLongBits } from './values.js';

// Taken out once: the addon's object has so many functions that V8 looks each one up in a table.
const { regionRead8, regionRead16, regionRead32, regionRead64 } = addon;
const { regionWrite8, regionWrite16, regionWrite32, regionWrite64, regionDoorbell32 } = addon;

/** The views of one mapped area. */
interface AreaViews {
  readonly start: number;
  readonly end: number;
  readonly u8: Uint8Array<SharedArrayBuffer>;
  readonly u16: Uint16Array;
  readonly u32: Uint32Array;
  readonly u64: BigUint64Array;
}

/**
 * Checked, synchronous access to a region from any thread of the process. A read of a mapped part is one `Atomics.load`:
 * one load of exactly that width, never merged or moved. A write is one store made by native code, because
 * `Atomics.store` is a locked exchange, which a register would see as a read and a write. What is not mapped is
 * transferred, which blocks this thread: on the main thread use `Region` instead. Offsets are bytes into the region; values
 * are whole numbers, of which the low bits are written, as many as the access has.
 * @throws from every access: ERR_OUT_OF_RANGE, ERR_INVALID_ARGUMENT (alignment; what is no whole number, for `write64` no
 * bigint), ERR_NOT_SUPPORTED (the region's flags), ERR_CLOSED, ERR_SHORT_TRANSFER, or the errno of the transfer
 */
export class RegionAccess {
  readonly #handle: number;
  readonly #areas: readonly AreaViews[];
  /** The area that holds all of the region, as most do. */
  readonly #whole: AreaViews | undefined;

  /** @throws ERR_INVALID_ARGUMENT for what is no descriptor; ERR_CLOSED when the region is closed and was mapped */
  constructor(readonly descriptor: RegionDescriptor) {
    requireDescriptor(descriptor);
    this.#handle = descriptor.handle;
    this.#areas = descriptor.areas.flatMap((area) => viewsOf(descriptor, area));
    const [first] = this.#areas;
    this.#whole = descriptor.readable && first?.start === 0 && first.end === descriptor.size ? first : undefined;
  }

  /** Raw views of the mapped areas; see `Region.areas`. */
  get areas(): readonly { readonly regionOffset: number; readonly view: Uint8Array<SharedArrayBuffer> }[] {
    return this.#areas.map((area) => ({ regionOffset: area.start, view: area.u8 }));
  }

  read8(regionOffset: number): number {
    try {
      const views = this.#areaOf(regionOffset, 1);
      if (views !== undefined) return Atomics.load(views.u8, regionOffset - views.start);
      return regionRead8(this.#handle, regionOffset);
    } catch (error) {
      throw this.#explain(error, regionOffset, 1, false);
    }
  }

  read16(regionOffset: number): number {
    try {
      const views = this.#areaOf(regionOffset, 2);
      if (views !== undefined) return Atomics.load(views.u16, (regionOffset - views.start) / 2);
      return regionRead16(this.#handle, regionOffset);
    } catch (error) {
      throw this.#explain(error, regionOffset, 2, false);
    }
  }

  read32(regionOffset: number): number {
    try {
      const views = this.#areaOf(regionOffset, 4);
      if (views !== undefined) return Atomics.load(views.u32, (regionOffset - views.start) / 4);
      return regionRead32(this.#handle, regionOffset);
    } catch (error) {
      throw this.#explain(error, regionOffset, 4, false);
    }
  }

  read64(regionOffset: number): bigint {
    try {
      const views = this.#areaOf(regionOffset, 8);
      if (views !== undefined) return Atomics.load(views.u64, (regionOffset - views.start) / 8);
      return regionRead64(this.#handle, regionOffset);
    } catch (error) {
      throw this.#explain(error, regionOffset, 8, false);
    }
  }

  /** Writes the low 8 bits of a value. */
  write8(regionOffset: number, value: number): void {
    // Most values need no more than this look; as a call of `isUint32` it costs half a nanosecond, here and below.
    if (typeof value !== 'number' || value >>> 0 !== value) requireBits('value', value);
    try {
      regionWrite8(this.#handle, regionOffset, value);
    } catch (error) {
      throw this.#explain(error, regionOffset, 1, true);
    }
  }

  /** Writes the low 16 bits of a value. */
  write16(regionOffset: number, value: number): void {
    if (typeof value !== 'number' || value >>> 0 !== value) requireBits('value', value);
    try {
      regionWrite16(this.#handle, regionOffset, value);
    } catch (error) {
      throw this.#explain(error, regionOffset, 2, true);
    }
  }

  /** Writes the low 32 bits of a value. */
  write32(regionOffset: number, value: number): void {
    if (typeof value !== 'number' || value >>> 0 !== value) requireBits('value', value);
    try {
      regionWrite32(this.#handle, regionOffset, value);
    } catch (error) {
      throw this.#explain(error, regionOffset, 4, true);
    }
  }

  /** Writes the low 64 bits of a value. */
  write64(regionOffset: number, value: bigint): void {
    requireLongBits('value', value);
    try {
      regionWrite64(this.#handle, regionOffset, BigInt.asUintN(64, value));
    } catch (error) {
      throw this.#explain(error, regionOffset, 8, true);
    }
  }

  /** Writes 32 bits after everything written before is visible to the device, DMA memory included. */
  doorbell32(regionOffset: number, value: number): void {
    if (typeof value !== 'number' || value >>> 0 !== value) requireBits('value', value);
    try {
      regionDoorbell32(this.#handle, regionOffset, value);
    } catch (error) {
      throw this.#explain(error, regionOffset, 4, true);
    }
  }

  /** The area that holds all of an access. What is no access goes to native code, which says what is wrong. */
  #areaOf(regionOffset: number, width: number): AreaViews | undefined {
    const whole = this.#whole;
    if (
      whole !== undefined &&
      regionOffset >>> 0 === regionOffset &&
      (regionOffset & (width - 1)) === 0 &&
      regionOffset + width <= whole.end
    ) {
      return whole;
    }
    if (!this.descriptor.readable || !Number.isSafeInteger(regionOffset) || (regionOffset & (width - 1)) !== 0) {
      return undefined;
    }
    for (const views of this.#areas) {
      if (regionOffset >= views.start && regionOffset + width <= views.end) return views;
    }
    return undefined;
  }

  /** Says what was wrong with an access that the addon refused, in the region's own terms. */
  #explain(error: unknown, regionOffset: number, width: number, write: boolean): unknown {
    checkAccess(this.descriptor, regionOffset, width, width, write);
    if (!(error instanceof VfioError) || error.errno === undefined) return error;
    return statusError(this.descriptor, regionOffset, -error.errno, write ? 'writing' : 'reading');
  }
}

/** The longest typed array of bytes that V8 makes in Node.js 20. */
const LONGEST_VIEW = 2 ** 32;

function viewsOf(descriptor: RegionDescriptor, { mapping, offset, size }: MappedArea): AreaViews[] {
  const memory = memoryOf(descriptor, mapping, offset);
  const views: AreaViews[] = [];
  for (let at = 0; at < size; at += LONGEST_VIEW) {
    views.push(viewsAt(memory, at, offset + at, Math.min(LONGEST_VIEW, size - at)));
  }
  return views;
}

/** The mapping is let go of when the region is closed: its handle is stale then. */
function memoryOf(descriptor: RegionDescriptor, mapping: MappingHandle, offset: number): SharedArrayBuffer {
  try {
    return addon.mappingView(mapping);
  } catch (error) {
    if (!(error instanceof VfioError) || error.errno === undefined) throw error;
    throw statusError(descriptor, offset, -error.errno, 'opening');
  }
}

function viewsAt(memory: SharedArrayBuffer, at: number, start: number, size: number): AreaViews {
  return {
    start,
    end: start + size,
    u8: new Uint8Array(memory, at, size),
    u16: new Uint16Array(memory, at, Math.floor(size / 2)),
    u32: new Uint32Array(memory, at, Math.floor(size / 4)),
    u64: new BigUint64Array(memory, at, Math.floor(size / 8)),
  };
}
