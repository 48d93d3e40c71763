import { requireBits, requireObject, requireOneOf, requireInteger } from '../base/arguments.js';

/** Bits of config space that are emulated. */
export interface EmulatedField {
  /** Bytes from the start of config space. */
  readonly offset: number;
  /** Bytes. */
  readonly width: 1 | 2 | 4;
  /** A number of `width` bytes, without a sign. */
  readonly value: number;
  /** The bits that are emulated. Default: all. */
  readonly mask?: number;
  /** The emulated bits that a write changes. Default: none. */
  readonly writable?: number;
}

const ALL_BITS = 0xffff_ffff;

/**
 * Emulated bits over the config space of a device, as QEMU's option x-pci-vendor-id has them. Reads take them from memory.
 * Writes never send them to the device.
 */
export class ConfigOverlay {
  readonly #size: number;
  /** Undefined until the first field is added: most devices have no emulated bits. */
  #bytes: OverlayBytes | undefined;

  /** @param size of config space in bytes */
  constructor(size: number) {
    this.#size = size;
  }

  /** Adds a field. Bits that were emulated before get the new value. @throws ERR_INVALID_ARGUMENT */
  add(field: EmulatedField): void {
    requireObject('field', field);
    const { offset, width, value, mask = ALL_BITS, writable = 0 } = field;
    requireOneOf('width', width, [1, 2, 4]);
    requireInteger('offset', offset, 0, this.#size - width);
    requireInteger('value', value, 0, 2 ** (8 * width) - 1);
    requireBits('mask', mask);
    requireBits('writable', writable);
    const bytes = (this.#bytes ??= overlayBytes(this.#size));
    for (let index = 0; index < width; index += 1) {
      const byteOf = (word: number): number => (word >>> (8 * index)) & 0xff;
      const [at, bits] = [offset + index, byteOf(mask)];
      bytes.mask[at]! |= bits;
      bytes.value[at] = (bytes.value[at]! & ~bits) | (byteOf(value) & bits);
      bytes.writable[at] = (bytes.writable[at]! & ~bits) | (byteOf(writable) & bits);
    }
  }

  /**
   * Replaces the emulated bits in bytes that the device returned.
   * @param offset of the first byte in config space
   */
  apply(offset: number, data: Uint8Array): void {
    const bytes = this.#bytes;
    if (bytes === undefined) return;
    for (let index = 0; index < data.length; index += 1) {
      const mask = bytes.mask[offset + index] ?? 0;
      data[index] = (data[index]! & ~mask) | ((bytes.value[offset + index] ?? 0) & mask);
    }
  }

  /** Tells whether the bits of a write are all of the device, all emulated, or of both. */
  kindOf(offset: number, length: number): 'device' | 'mixed' | 'emulated' {
    const masks = this.#bytes?.mask.subarray(offset, offset + length);
    if (masks === undefined || masks.every((mask) => mask === 0)) return 'device';
    return masks.every((mask) => mask === 0xff) ? 'emulated' : 'mixed';
  }

  /**
   * Stores the emulated bits of a write. In `data` it replaces them by the bits of `current`, so that the device keeps its
   * own.
   * @param current the bytes that the device has now
   */
  write(offset: number, data: Uint8Array, current: Uint8Array): void {
    const bytes = this.#bytes;
    if (bytes === undefined) return;
    for (let index = 0; index < data.length; index += 1) {
      const at = offset + index;
      const [mask, changed, written] = [bytes.mask[at] ?? 0, bytes.writable[at] ?? 0, data[index] ?? 0];
      bytes.value[at] = ((bytes.value[at] ?? 0) & ~changed) | (written & changed);
      data[index] = (written & ~mask) | ((current[index] ?? 0) & mask);
    }
  }
}

/** The emulated bits; each array has one byte for every byte of config space. */
interface OverlayBytes {
  /** The bits that are emulated. */
  readonly mask: Uint8Array;
  readonly value: Uint8Array;
  /** The emulated bits that a write changes. */
  readonly writable: Uint8Array;
}

function overlayBytes(size: number): OverlayBytes {
  return { mask: new Uint8Array(size), value: new Uint8Array(size), writable: new Uint8Array(size) };
}
