import { RegionPort } from '../../../lib/guest-bus/region-port.js';
import type { PlaceableRegion } from '../../../lib/guest-bus/placeable-region.js';
import { addon } from '../../../lib/native/addon.js';

const READ_WRITE = 3;

/** A region of the addon's table over a memfd of two pages: the first is mapped, the second trapped by pread and pwrite. */
export class MemfdRegion {
  readonly size = 8192;
  readonly #fd = addon.memfdCreate('guest-bus', BigInt(this.size), 0);
  #handle = 0;
  #mapping = 0;

  static open(): MemfdRegion {
    const region = new MemfdRegion();
    region.#mapping = addon.mappingCreate(region.#fd, 0n, 4096, READ_WRITE);
    region.#handle = addon.regionCreate(region.size, READ_WRITE, region.#fd, 0, 0n, 0, [[0, 4096, region.#mapping]]);
    return region;
  }

  /** What `placeRegion` takes of it. */
  get placeable(): PlaceableRegion {
    const view = new Uint8Array(addon.mappingView(this.#mapping));
    return {
      regionIndex: 0,
      size: this.size,
      readable: true,
      writable: true,
      ioPort: false,
      areas: [{ regionOffset: 0, view }],
      accessor: new RegionPort(this.#handle),
    };
  }

  async close(): Promise<void> {
    await addon.regionClose(this.#handle);
    addon.mappingClose(this.#mapping);
    addon.closeFdSync(this.#fd);
  }
}
