import { addon } from '../lib/native/addon.js';
import type { RegionDescriptor } from '../lib/region/descriptor.js';

/** A region over memory of this machine, and the same memory for C to work on. */
export interface MemoryRegion {
  readonly descriptor: RegionDescriptor;
  readonly memory: SharedArrayBuffer;
  readonly bytes: Uint8Array<SharedArrayBuffer>;
  /** The file behind the memory. */
  readonly fd: number;
  close(): Promise<void>;
}

const READABLE_WRITABLE = 3;

/**
 * Opens a region over a file in memory, as a device's region lies over its file.
 * @param size bytes, whole pages. @param how `mapped`: all of it; `trapped`: reached by pread and pwrite alone
 */
export async function openMemoryRegion(size: number, how: 'mapped' | 'trapped'): Promise<MemoryRegion> {
  const fd = addon.memfdCreate('bench', BigInt(size), 0);
  const mapping = await addon.mappingCreate(fd, 0n, size, READABLE_WRITABLE);
  const memory = addon.mappingView(mapping);
  const areas = how === 'mapped' ? [{ offset: 0, size, mapping }] : [];
  const triples = areas.map((area) => [area.offset, area.size, area.mapping] as const);
  const handle = addon.regionCreate(size, READABLE_WRITABLE, fd, 0, 0n, 0, triples);
  return {
    descriptor: {
      ...{ handle, device: 'bench', regionIndex: 0, size, readable: true, writable: true, ioPort: false },
      areas,
    },
    memory,
    bytes: new Uint8Array(memory),
    fd,
    close: async () => {
      await addon.regionClose(handle);
      addon.mappingClose(mapping);
      addon.closeFdSync(fd);
    },
  };
}

/** Stops a case that measured something else than it says. */
export function expectEqual(what: string, actual: number, expected: number): void {
  if (actual !== expected) throw new Error(`${what} is ${actual}, not ${expected}: what was measured is wrong`);
}
