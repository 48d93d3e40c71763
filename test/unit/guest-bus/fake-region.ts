import { constants } from 'node:os';

import type { AreaView, PlaceableRegion } from '../../../lib/guest-bus/placeable-region.js';

const { EIO } = constants.errno;

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
  areas: readonly AreaView[] = [];

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

  read(offset: number, width: number, data: Uint8Array, at: number): number {
    this.log.push(`r${8 * width}@${offset}`);
    if (offset === this.failAt) return -EIO;
    data.set(this.memory.subarray(offset, offset + width), at);
    return 0;
  }

  write(offset: number, width: number, data: Uint8Array, at: number): number {
    this.log.push(`w${8 * width}@${offset}`);
    if (offset === this.failAt) return -EIO;
    this.store(offset, data.subarray(at, at + width));
    return 0;
  }

  /** What a write leaves behind. */
  protected store(offset: number, bytes: Uint8Array): void {
    this.memory.set(bytes, offset);
  }
}
