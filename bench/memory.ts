import { addon } from '../lib/native/addon.js';
import { openBacking } from './backing.js';
import type { RegionDescriptor } from '../lib/region/descriptor.js';

/** A region over memory of this machine, and the same memory for C to work on. */
export interface MemoryRegion {
  readonly descriptor: RegionDescriptor;
  readonly memory: SharedArrayBuffer;
  readonly bytes: Uint8Array<SharedArrayBuffer>;
  /** The file behind the memory, and where in it the region begins. */
  readonly fd: number;
  readonly fileOffset: number;
  close(): Promise<void>;
}

const READABLE_WRITABLE = 3;

/**
 * Opens a region over a file in memory, as a device's region lies over its file; in the guest over a device's file.
 * @param size bytes, whole pages. @param how `mapped`: all of it; `trapped`: reached by pread and pwrite alone
 */
export async function openMemoryRegion(size: number, how: 'mapped' | 'trapped'): Promise<MemoryRegion> {
  const backing = await openBacking(size);
  const { fd, fileOffset } = backing;
  const mapping = await backing.map(0, size);
  const memory = addon.mappingView(mapping);
  const areas = how === 'mapped' ? [{ offset: 0, size, mapping }] : [];
  const triples = areas.map((area) => [area.offset, area.size, area.mapping] as const);
  const handle = addon.regionCreate(size, READABLE_WRITABLE, fd, 0, fileOffset, 0, triples);
  return {
    descriptor: {
      ...{ handle, device: 'bench', regionIndex: 0, size, readable: true, writable: true, ioPort: false },
      areas,
    },
    memory,
    bytes: new Uint8Array(memory),
    fd,
    fileOffset: Number(fileOffset),
    close: async () => {
      await addon.regionClose(handle);
      // A view that is left would keep the device open.
      addon.mappingEnd(mapping);
      await backing.close();
    },
  };
}

/** Stops a case that measured something else than it says. */
export function expectEqual(what: string, actual: number, expected: number): void {
  if (actual !== expected) throw new Error(`${what} is ${actual}, not ${expected}: what was measured is wrong`);
}
