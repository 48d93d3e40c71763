/** Reads values from the bytes of a fuzzer. Behind their end all values are 0. */
export class Input {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** How many bytes are left. */
  get left(): number {
    return this.#bytes.length - this.#at;
  }

  u8(): number {
    const value = this.#bytes[this.#at] ?? 0;
    this.#at += this.left > 0 ? 1 : 0;
    return value;
  }

  u16(): number {
    return this.u8() | (this.u8() << 8);
  }

  u32(): number {
    return (this.u16() | (this.u16() << 16)) >>> 0;
  }

  /** Takes at most `most` bytes, as a copy. */
  bytes(most: number): Uint8Array {
    const taken = this.#bytes.slice(this.#at, this.#at + most);
    this.#at += taken.length;
    return taken;
  }

  /** Takes what is left, filled up with zeros to `least` bytes. */
  rest(least: number): Uint8Array {
    const taken = this.bytes(this.left);
    if (taken.length >= least) return taken;
    const whole = new Uint8Array(least);
    whole.set(taken);
    return whole;
  }
}
