import { VfioError } from '../../base/errors.js';

/** Makes the error for bytes that violate the protocol. */
export function protocolError(message: string, cause?: unknown): VfioError {
  return new VfioError(`vfio-user: ${message}`, { code: 'ERR_PROTOCOL', cause });
}

/**
 * Reads the fields of a payload in order. A read past the end throws ERR_PROTOCOL with the payload's name.
 */
export class PayloadReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #name: string;
  #at = 0;

  /** @param name the command, for error messages */
  constructor(bytes: Uint8Array, name: string) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#name = name;
  }

  /** How many bytes are left. */
  get remaining(): number {
    return this.#bytes.length - this.#at;
  }

  /** Makes an ERR_PROTOCOL error that names the payload. */
  fail(message: string, cause?: unknown): VfioError {
    return protocolError(`${this.#name}: ${message}`, cause);
  }

  /** Reads 2 bytes. */
  u16(): number {
    return this.#view.getUint16(this.#take(2), true);
  }

  /** Reads 4 bytes. */
  u32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }

  /** Reads 8 bytes. */
  u64(): bigint {
    return this.#view.getBigUint64(this.#take(8), true);
  }

  /**
   * Reads a u64 as a number.
   * @param name the field, for the error message
   * @throws ERR_PROTOCOL for a value above Number.MAX_SAFE_INTEGER
   */
  safe(name: string): number {
    const value = this.u64();
    if (value > BigInt(Number.MAX_SAFE_INTEGER))
      throw this.fail(`\`${name}\` must be at most ${Number.MAX_SAFE_INTEGER}. Received ${value}`);
    return Number(value);
  }

  /** Reads bytes as a view of the payload, not a copy: it is valid as long as the message's buffer. */
  bytes(length: number): Uint8Array {
    const start = this.#take(length);
    return this.#bytes.subarray(start, start + length);
  }

  /** Continues at another offset, as in a capability chain. */
  seek(position: number): void {
    if (position > this.#bytes.length)
      throw this.fail(`offset ${position} is past the end of ${this.#bytes.length} bytes`);
    this.#at = position;
  }

  /** Checks that no byte is left. @throws ERR_PROTOCOL */
  end(): void {
    if (this.remaining !== 0) throw this.fail(`the payload is ${this.remaining} bytes too long`);
  }

  /** Reads `argsz`, the room that the sender has for the whole structure. @throws ERR_PROTOCOL if it is below `least` */
  argsz(least: number): number {
    const argsz = this.u32();
    if (argsz < least) throw this.fail(`\`argsz\` must be at least ${least}. Received ${argsz}`);
    return argsz;
  }

  #take(length: number): number {
    const start = this.#at;
    if (length > this.remaining) throw this.fail(`the payload is ${length - this.remaining} bytes too short`);
    this.#at = start + length;
    return start;
  }
}

/** Writes the fields of a payload in order into bytes of a known length. */
export class PayloadWriter {
  readonly bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(length: number) {
    this.bytes = new Uint8Array(length);
    this.#view = new DataView(this.bytes.buffer);
  }

  /** Writes 2 bytes. @throws ERR_OUT_OF_RANGE */
  u16(value: number): this {
    this.#view.setUint16(this.#advance(2), checked(value, 0xffff), true);
    return this;
  }

  /** Writes 4 bytes. @throws ERR_OUT_OF_RANGE */
  u32(value: number): this {
    this.#view.setUint32(this.#advance(4), checked(value, 0xffff_ffff), true);
    return this;
  }

  /** Writes 8 bytes. @throws ERR_OUT_OF_RANGE */
  u64(value: bigint | number): this {
    const wide = typeof value === 'bigint' ? value : BigInt(checked(value, Number.MAX_SAFE_INTEGER));
    if (wide !== BigInt.asUintN(64, wide)) throw fieldError(wide.toString());
    this.#view.setBigUint64(this.#advance(8), wide, true);
    return this;
  }

  /** Writes bytes as they are. */
  data(bytes: Uint8Array): this {
    this.bytes.set(bytes, this.#advance(bytes.length));
    return this;
  }

  #advance(length: number): number {
    const start = this.#at;
    this.#at += length;
    return start;
  }
}

function checked(value: number, last: number): number {
  if (!Number.isSafeInteger(value) || value < 0 || value > last) throw fieldError(String(value));
  return value;
}

function fieldError(value: string): VfioError {
  return new VfioError(`vfio-user: the value ${value} does not fit its field`, { code: 'ERR_OUT_OF_RANGE' });
}
