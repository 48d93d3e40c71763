import { invalidArgument } from '../base/errors.js';

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
  readonly #size: number;
  /** Undefined before the first field: most devices are shown as they are. */
  #bytes: OverlayBytes | undefined;

  /** @param size of config space, bytes */
  constructor(size: number) {
    this.#size = size;
  }

  /** Adds a field; bits emulated before get the new value. @throws ERR_INVALID_ARGUMENT outside of config space */
  add({ offset, width, value, mask = 0xffffffff, writable = 0 }: EmulatedField): void {
    if (!Number.isInteger(offset) || offset < 0 || offset + width > this.#size) {
      throw invalidArgument(`config space has no ${width} bytes at 0x${offset.toString(16)}`);
    }
    if (!Number.isInteger(value) || value < 0 || value > 2 ** (8 * width) - 1) {
      throw invalidArgument(`${value} does not fit ${width} bytes`);
    }
    const bytes = (this.#bytes ??= overlayBytes(this.#size));
    for (let index = 0; index < width; index += 1) {
      const byteOf = (word: number): number => (word >>> (8 * index)) & 0xff;
      const [at, bits] = [offset + index, byteOf(mask)];
      bytes.mask[at]! |= bits;
      bytes.value[at] = (bytes.value[at]! & ~bits) | (byteOf(value) & bits);
      bytes.writable[at] = (bytes.writable[at]! & ~bits) | (byteOf(writable) & bits);
    }
  }

  /** Puts the emulated bits over what the device answered. */
  apply(offset: number, data: Uint8Array): void {
    const bytes = this.#bytes;
    if (bytes === undefined) return;
    for (let index = 0; index < data.length; index += 1) {
      const mask = bytes.mask[offset + index] ?? 0;
      data[index] = (data[index]! & ~mask) | ((bytes.value[offset + index] ?? 0) & mask);
    }
  }

  /** Tells how a write's bits divide: all to the device, some of them, or none. */
  kindOf(offset: number, length: number): 'device' | 'mixed' | 'emulated' {
    const masks = this.#bytes?.mask.subarray(offset, offset + length);
    if (masks === undefined || masks.every((mask) => mask === 0)) return 'device';
    return masks.every((mask) => mask === 0xff) ? 'emulated' : 'mixed';
  }

  /** Takes the emulated bits of a write; `data` keeps the device's, with `current` in place of the others. */
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

/** A byte each for every byte of config space. */
interface OverlayBytes {
  /** Which bits are emulated. */
  readonly mask: Uint8Array;
  readonly value: Uint8Array;
  /** Which of them a write changes. */
  readonly writable: Uint8Array;
}

function overlayBytes(size: number): OverlayBytes {
  return { mask: new Uint8Array(size), value: new Uint8Array(size), writable: new Uint8Array(size) };
}
