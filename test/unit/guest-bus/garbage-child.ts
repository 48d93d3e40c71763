import type { PlaceableRegion } from '../../../lib/guest-bus/placeable-region.js';
import { garbagePerAccess } from './garbage-per-access.js';
import { MemfdRegion } from './memfd-region.js';

/** A region in memory; `boxed` makes each access allocate, to show that the measure sees it. */
function memoryRegion(boxed: boolean): PlaceableRegion {
  const memory = new Uint8Array(4096);
  const kept: { value: object } = { value: {} };
  const copy = (from: Uint8Array, start: number, to: Uint8Array, at: number, width: number): number => {
    for (let i = 0; i < width; i++) to[at + i] = from[start + i] ?? 0;
    if (boxed) kept.value = [start, at, width];
    return 0;
  };
  return {
    regionIndex: 0,
    size: 4096,
    readable: true,
    writable: true,
    ioPort: false,
    areas: [],
    accessor: {
      read: (offset, width, data, at) => copy(memory, offset, data, at, width),
      write: (offset, width, data, at) => copy(data, at, memory, offset, width),
    },
  };
}

const region = MemfdRegion.open();
process.stdout.write(
  JSON.stringify({
    plain: garbagePerAccess(memoryRegion(false), 0, 4096, 100_000),
    boxed: garbagePerAccess(memoryRegion(true), 0, 4096, 100_000),
    mapped: garbagePerAccess(region.placeable, 0, 4096, 100_000),
    trapped: garbagePerAccess(region.placeable, 4096, 4096, 100_000),
  }),
);
await region.close();
