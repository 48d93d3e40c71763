import { requireBits } from '../base/arguments.js';
import { VfioError } from '../base/errors.js';
import type { MappingHandle } from '../kernel/kernel.js';
import { addon } from '../native/addon.js';
import { checkRegionAccess, requireLongBits } from './access-checks.js';
import { type MappedArea, type RegionDescriptor, requireDescriptor } from './descriptor.js';
import { MappingWatch } from './mapping-watch.js';
import { operationError } from './operation-error.js';

// Read from the addon once: it has so many functions that V8 looks each one up in a dictionary.
const { regionRead8, regionRead16, regionRead32, regionRead64 } = addon;
const { regionWrite8, regionWrite16, regionWrite32, regionWrite64, regionDoorbell32 } = addon;

/** Where the writes of up to 32 bits take their arguments from: the handle and the offset, and the value. */
const placeOfWrite = new Float64Array(addon.writeArguments, 0, 2);
const valueOfWrite = new Uint32Array(addon.writeArguments, 16, 1);

/** The views of one mapped area, or of 4 GiB of it. `start` and `end` are bytes into the region. */
interface AreaViews {
  readonly start: number;
  readonly end: number;
  readonly u8: Uint8Array<SharedArrayBuffer>;
  readonly u16: Uint16Array;
  readonly u32: Uint32Array;
  readonly u64: BigUint64Array;
  readonly mapping: MappingWatch;
}

const ALL_ONES_64 = 0xffff_ffff_ffff_ffffn;

/**
 * Checked, synchronous access to a region.
 *
 * A read of a mapped part is one `Atomics.load`: a single load of exactly that width, which the compiler neither merges nor
 * moves. A write is one store by native code, because `Atomics.store` is a locked exchange, which reads the register too.
 * An access to a trapped part is a transfer (pread, pwrite or a vfio-user message), which blocks the calling thread: use
 * `Region` where an event loop runs.
 *
 * Offsets are bytes into the region. Values are integers, of which the low bits are written: -1 sets all bits.
 * @throws from every access: ERR_OUT_OF_RANGE if it reaches beyond the region; ERR_INVALID_ARGUMENT if the offset is not a
 * multiple of the width, or the value is not an integer (for `write64`, a bigint); ERR_NOT_SUPPORTED if the region cannot be
 * read, or written; ERR_CLOSED; ERR_REVOKED if the device does not answer; ERR_SHORT_TRANSFER; the errno of the transfer
 * Thread: any thread of the process.
 */
export class RegionAccess {
  readonly #handle: number;
  readonly #areas: readonly AreaViews[];
  /** The area, if one area maps all of a readable region, as in most devices. */
  readonly #whole: AreaViews | undefined;

  /**
   * Opens a region on this thread.
   * @param descriptor `Region.descriptor`
   * @throws ERR_INVALID_ARGUMENT if `descriptor` does not describe a region; ERR_CLOSED if a region with mapped areas is closed
   */
  constructor(
    /** What the region was opened by. */
    readonly descriptor: RegionDescriptor,
  ) {
    requireDescriptor(descriptor);
    this.#handle = descriptor.handle;
    this.#areas = descriptor.areas.flatMap((area) => viewsOf(descriptor, area));
    const [first] = this.#areas;
    this.#whole = descriptor.readable && first?.start === 0 && first.end === descriptor.size ? first : undefined;
  }

  /** The raw views of the mapped areas; see `Region.areas`. */
  get areas(): readonly { readonly regionOffset: number; readonly view: Uint8Array<SharedArrayBuffer> }[] {
    return this.#areas.map((area) => ({ regionOffset: area.start, view: area.u8 }));
  }

  /** Reads 8 bits. */
  read8(regionOffset: number): number {
    try {
      const views = this.#areaOf(regionOffset, 1);
      if (views !== undefined) {
        const value = Atomics.load(views.u8, regionOffset - views.start);
        if (value === 0xff) this.#requireMapped(views, regionOffset);
        return value;
      }
      return regionRead8(this.#handle, regionOffset);
    } catch (error) {
      throw this.#explain(error, regionOffset, 1, false);
    }
  }

  /** Reads 16 bits. */
  read16(regionOffset: number): number {
    try {
      const views = this.#areaOf(regionOffset, 2);
      if (views !== undefined) {
        const value = Atomics.load(views.u16, (regionOffset - views.start) / 2);
        if (value === 0xffff) this.#requireMapped(views, regionOffset);
        return value;
      }
      return regionRead16(this.#handle, regionOffset);
    } catch (error) {
      throw this.#explain(error, regionOffset, 2, false);
    }
  }

  /** Reads 32 bits. */
  read32(regionOffset: number): number {
    try {
      const views = this.#areaOf(regionOffset, 4);
      if (views !== undefined) {
        const value = Atomics.load(views.u32, (regionOffset - views.start) / 4);
        if (value === 0xffff_ffff) this.#requireMapped(views, regionOffset);
        return value;
      }
      return regionRead32(this.#handle, regionOffset);
    } catch (error) {
      throw this.#explain(error, regionOffset, 4, false);
    }
  }

  /** Reads 64 bits. */
  read64(regionOffset: number): bigint {
    try {
      const views = this.#areaOf(regionOffset, 8);
      if (views !== undefined) {
        const value = Atomics.load(views.u64, (regionOffset - views.start) / 8);
        if (value === ALL_ONES_64) this.#requireMapped(views, regionOffset);
        return value;
      }
      return regionRead64(this.#handle, regionOffset);
    } catch (error) {
      throw this.#explain(error, regionOffset, 8, false);
    }
  }

  /** Writes the low 8 bits of a value. */
  write8(regionOffset: number, value: number): void {
    // Most values pass this test. As a call of `isUint32` it would cost half a nanosecond, here and below.
    if (typeof value !== 'number' || value >>> 0 !== value) requireBits('value', value);
    try {
      this.#setArguments(regionOffset, value);
      regionWrite8();
    } catch (error) {
      throw this.#explain(error, regionOffset, 1, true);
    }
  }

  /** Writes the low 16 bits of a value. */
  write16(regionOffset: number, value: number): void {
    if (typeof value !== 'number' || value >>> 0 !== value) requireBits('value', value);
    try {
      this.#setArguments(regionOffset, value);
      regionWrite16();
    } catch (error) {
      throw this.#explain(error, regionOffset, 2, true);
    }
  }

  /** Writes the low 32 bits of a value. */
  write32(regionOffset: number, value: number): void {
    if (typeof value !== 'number' || value >>> 0 !== value) requireBits('value', value);
    try {
      this.#setArguments(regionOffset, value);
      regionWrite32();
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

  /** Writes the low 32 bits of a value, after the device can see all earlier writes, those to DMA memory included. */
  doorbell32(regionOffset: number, value: number): void {
    if (typeof value !== 'number' || value >>> 0 !== value) requireBits('value', value);
    try {
      this.#setArguments(regionOffset, value);
      regionDoorbell32();
    } catch (error) {
      throw this.#explain(error, regionOffset, 4, true);
    }
  }

  /** Stores the arguments of a write. An offset that is not a number becomes none, which native code rejects. */
  #setArguments(regionOffset: number, value: number): void {
    placeOfWrite[0] = this.#handle;
    placeOfWrite[1] = typeof regionOffset === 'number' ? regionOffset : NaN;
    valueOfWrite[0] = value;
  }

  /** Checks a value of all ones: it may come from the memory that replaces a revoked mapping. @throws ERR_REVOKED; ERR_CLOSED */
  #requireMapped(views: AreaViews, regionOffset: number): void {
    const status = views.mapping.checkOnes();
    if (status !== 0) throw operationError(this.descriptor, regionOffset, status, 'reading');
  }

  /** Finds the area that holds an access. A wrong access has none: native code rejects it. */
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

  /** Makes the error of an access that the addon rejected. */
  #explain(error: unknown, regionOffset: number, width: number, write: boolean): unknown {
    checkRegionAccess(this.descriptor, regionOffset, width, width, write);
    if (!(error instanceof VfioError) || error.errno === undefined) return error;
    return operationError(this.descriptor, regionOffset, -error.errno, write ? 'writing' : 'reading');
  }
}

/** The longest typed array of Node.js 20, bytes. */
const LONGEST_VIEW = 2 ** 32;

function viewsOf(descriptor: RegionDescriptor, { mapping, offset, size }: MappedArea): AreaViews[] {
  const memory = memoryOf(descriptor, mapping, offset);
  const watch = new MappingWatch(mapping);
  const views: AreaViews[] = [];
  for (let at = 0; at < size; at += LONGEST_VIEW) {
    views.push(viewsAt(memory, watch, at, offset + at, Math.min(LONGEST_VIEW, size - at)));
  }
  return views;
}

/** Returns the memory of an area. The handle of the mapping is stale once the region is closed. */
function memoryOf(descriptor: RegionDescriptor, mapping: MappingHandle, offset: number): SharedArrayBuffer {
  try {
    return addon.mappingView(mapping);
  } catch (error) {
    if (!(error instanceof VfioError) || error.errno === undefined) throw error;
    throw operationError(descriptor, offset, -error.errno, 'opening');
  }
}

function viewsAt(memory: SharedArrayBuffer, mapping: MappingWatch, at: number, start: number, size: number): AreaViews {
  return {
    mapping,
    start,
    end: start + size,
    u8: new Uint8Array(memory, at, size),
    u16: new Uint16Array(memory, at, Math.floor(size / 2)),
    u32: new Uint32Array(memory, at, Math.floor(size / 4)),
    u64: new BigUint64Array(memory, at, Math.floor(size / 8)),
  };
}
