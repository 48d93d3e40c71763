import { garbagePerAccess } from './guest-bus-allocation.js';

/** A region in memory; `boxed` makes each access allocate, to show that the measure sees it. */
function memoryRegion(boxed: boolean) {
  const data = new DataView(new ArrayBuffer(4096));
  const kept: { value: object } = { value: {} };
  const box = (value: number): number => {
    if (boxed) kept.value = [value, value, value, value];
    return value;
  };
  return {
    regionIndex: 0,
    size: 4096,
    readable: true,
    writable: true,
    ioPort: false,
    areas: [],
    accessor: {
      read8: (offset: number) => box(data.getUint8(offset)),
      read16: (offset: number) => box(data.getUint16(offset, true)),
      read32: (offset: number) => box(data.getInt32(offset, true)),
      write8: (offset: number, value: number) => data.setUint8(offset, box(value)),
      write16: (offset: number, value: number) => data.setUint16(offset, box(value), true),
      write32: (offset: number, value: number) => data.setUint32(offset, box(value), true),
    },
  };
}

process.stdout.write(
  JSON.stringify({
    plain: garbagePerAccess(memoryRegion(false), 4096, 100_000),
    boxed: garbagePerAccess(memoryRegion(true), 4096, 100_000),
  }),
);
