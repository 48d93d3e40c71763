import { VfioError } from '../../lib/errors.js';
import type { MappedArea, PlaceableRegion } from '../../lib/guest-bus/placeable.js';

/** A region in memory that records each access and can be told to fail. */
export class FakeRegion implements PlaceableRegion {
  readonly regionIndex = 0;
  readonly memory: Uint8Array;
  readonly data: DataView;
  readonly accessor = this;
  readonly log: string[] = [];
  failAt = -1;
  readable = true;
  writable = true;
  ioPort = false;
  areas: readonly MappedArea[] = [];

  constructor(
    readonly size: number,
    fields: Partial<Pick<FakeRegion, 'readable' | 'writable' | 'ioPort'>> = {},
  ) {
    this.memory = new Uint8Array(size);
    this.data = new DataView(this.memory.buffer);
    Object.assign(this, fields);
  }

  /** Makes these ranges mapped: [offset, length] each. */
  mapAreas(...ranges: [number, number][]): this {
    this.areas = ranges.map(([offset, length]) => ({
      regionOffset: offset,
      view: this.memory.subarray(offset, offset + length),
    }));
    return this;
  }

  read8(offset: number): number {
    this.#record('r8', offset);
    return this.data.getUint8(offset);
  }
  read16(offset: number): number {
    this.#record('r16', offset);
    return this.data.getUint16(offset, true);
  }
  read32(offset: number): number {
    this.#record('r32', offset);
    return this.data.getUint32(offset, true);
  }
  write8(offset: number, value: number): void {
    this.#record('w8', offset);
    this.data.setUint8(offset, value);
  }
  write16(offset: number, value: number): void {
    this.#record('w16', offset);
    this.data.setUint16(offset, value, true);
  }
  write32(offset: number, value: number): void {
    this.#record('w32', offset);
    this.data.setUint32(offset, value, true);
  }

  #record(kind: string, offset: number): void {
    this.log.push(`${kind}@${offset}`);
    if (offset === this.failAt) throw new VfioError('the device is gone', { code: 'EIO' });
  }
}
