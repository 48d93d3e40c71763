import { VfioError } from '../../base/errors.js';

/** Makes the error of bytes that no honest peer sends. */
export function protocolError(message: string, cause?: unknown): VfioError {
  return new VfioError(`vfio-user: ${message}`, { code: 'ERR_PROTOCOL', cause });
}

/** Takes the fields of a payload one after the other; every failure is `ERR_PROTOCOL` and names the payload. */
export class PayloadReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #what: string;
  #at = 0;

  constructor(bytes: Uint8Array, what: string) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#what = what;
  }

  get position(): number {
    return this.#at;
  }

  get remaining(): number {
    return this.#bytes.length - this.#at;
  }

  fail(message: string, cause?: unknown): VfioError {
    return protocolError(`${this.#what}: ${message}`, cause);
  }

  u16(): number {
    return this.#view.getUint16(this.#take(2), true);
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }

  u64(): bigint {
    return this.#view.getBigUint64(this.#take(8), true);
  }

  /** A u64 that has to fit a JavaScript number, as a region's offset does. */
  safe(name: string): number {
    const value = this.u64();
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw this.fail(`${name} ${value.toString()} is out of range`);
    return Number(value);
  }

  /** A view of the bytes, not a copy: it lives as long as the message's buffer does. */
  bytes(length: number): Uint8Array {
    const start = this.#take(length);
    return this.#bytes.subarray(start, start + length);
  }

  /** Goes on at another place, as a capability chain asks for. */
  seek(position: number): void {
    if (position > this.#bytes.length) throw this.fail(`offset ${position} lies behind the end`);
    this.#at = position;
  }

  /** Every byte has to be used up: a payload that is too long is as wrong as one that is too short. */
  end(): void {
    if (this.remaining !== 0) throw this.fail(`${this.remaining} bytes too many`);
  }

  #take(length: number): number {
    const start = this.#at;
    if (length > this.remaining) throw this.fail(`${length - this.remaining} bytes too few`);
    this.#at = start + length;
    return start;
  }
}

/** Puts the fields of a payload one after the other into bytes of a known length. */
export class PayloadWriter {
  readonly bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(length: number) {
    this.bytes = new Uint8Array(length);
    this.#view = new DataView(this.bytes.buffer);
  }

  u16(value: number): this {
    this.#view.setUint16(this.#advance(2), checked(value, 0xffff), true);
    return this;
  }

  u32(value: number): this {
    this.#view.setUint32(this.#advance(4), checked(value, 0xffff_ffff), true);
    return this;
  }

  u64(value: bigint | number): this {
    const wide = typeof value === 'bigint' ? value : BigInt(checked(value, Number.MAX_SAFE_INTEGER));
    if (wide !== BigInt.asUintN(64, wide)) throw outOfRange(wide.toString());
    this.#view.setBigUint64(this.#advance(8), wide, true);
    return this;
  }

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
  if (!Number.isSafeInteger(value) || value < 0 || value > last) throw outOfRange(String(value));
  return value;
}

function outOfRange(value: string): VfioError {
  return new VfioError(`vfio-user: ${value} does not fit its field`, { code: 'ERR_OUT_OF_RANGE' });
}
