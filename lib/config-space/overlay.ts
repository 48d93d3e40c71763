import { invalidArgument } from '../errors.js';

/** Emulated bits over config space. */
export interface EmulatedField {
  /** Bytes from the start of config space. */
  readonly offset: number;
  readonly width: 1 | 2 | 4;
  readonly value: number;
  /** The bits that are emulated. Default: all. */
  readonly mask?: number;
  /** The emulated bits that a write changes. Default: none. */
  readonly writable?: number;
}

/**
 * Bits that are answered from memory in the device's place, as QEMU's x-pci-vendor-id and its like have them. A write
 * never takes an emulated bit to the device.
 */
export class ConfigOverlay {
  readonly #mask: Uint8Array;
  readonly #value: Uint8Array;
  readonly #writable: Uint8Array;

  /** @param size of config space, bytes */
  constructor(size: number) {
    this.#mask = new Uint8Array(size);
    this.#value = new Uint8Array(size);
    this.#writable = new Uint8Array(size);
  }

  /** Adds a field; bits emulated before get the new value. @throws ERR_INVALID_ARGUMENT outside of config space */
  add({ offset, width, value, mask = 0xffffffff, writable = 0 }: EmulatedField): void {
    if (!Number.isInteger(offset) || offset < 0 || offset + width > this.#mask.length) {
      throw invalidArgument(`config space has no ${width} bytes at 0x${offset.toString(16)}`);
    }
    if (!Number.isInteger(value) || value < 0 || value > 2 ** (8 * width) - 1) {
      throw invalidArgument(`${value} does not fit ${width} bytes`);
    }
    for (let index = 0; index < width; index += 1) {
      const byteOf = (word: number): number => (word >>> (8 * index)) & 0xff;
      const [at, bits] = [offset + index, byteOf(mask)];
      this.#mask[at]! |= bits;
      this.#value[at] = (this.#value[at]! & ~bits) | (byteOf(value) & bits);
      this.#writable[at] = (this.#writable[at]! & ~bits) | (byteOf(writable) & bits);
    }
  }

  /** Puts the emulated bits over what the device answered. */
  apply(offset: number, data: Uint8Array): void {
    for (let index = 0; index < data.length; index += 1) {
      const mask = this.#mask[offset + index] ?? 0;
      data[index] = (data[index]! & ~mask) | ((this.#value[offset + index] ?? 0) & mask);
    }
  }

  /** Tells how a write's bits divide: all to the device, some of them, or none. */
  kindOf(offset: number, length: number): 'device' | 'mixed' | 'emulated' {
    const masks = this.#mask.subarray(offset, offset + length);
    if (masks.every((mask) => mask === 0)) return 'device';
    return masks.every((mask) => mask === 0xff) ? 'emulated' : 'mixed';
  }

  /** Takes the emulated bits of a write; `data` keeps the device's, with `current` in place of the others. */
  write(offset: number, data: Uint8Array, current: Uint8Array): void {
    for (let index = 0; index < data.length; index += 1) {
      const at = offset + index;
      const [mask, changed, written] = [this.#mask[at] ?? 0, this.#writable[at] ?? 0, data[index] ?? 0];
      this.#value[at] = ((this.#value[at] ?? 0) & ~changed) | (written & changed);
      data[index] = (written & ~mask) | ((current[index] ?? 0) & mask);
    }
  }
}
