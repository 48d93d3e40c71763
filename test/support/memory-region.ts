import { systemError } from '../../lib/base/errors.js';
import type { Fd, MappingHandle, RegionInfo, VfioKernel } from '../../lib/kernel/kernel.js';
import type { AsyncLane } from '../../lib/lane/async-lane.js';
import { addon } from '../../lib/native/addon.js';
import { Region } from '../../lib/region/region.js';

/** A region over a memfd, either mapped or trapped. The memfd takes the place of the device's descriptor. */
export interface MemoryRegion {
  readonly region: Region;
  readonly fd: Fd;
  close(): Promise<void>;
}

/** Opens a region over a new memfd. The default is 64 KiB, mapped as a whole. */
export async function memoryRegion(
  lane: AsyncLane,
  options: {
    size?: number;
    flags?: number;
    sparse?: { offset: number; size: number }[];
    fileOffset?: number;
    fileBytes?: number;
    /** Makes the kernel refuse to map the areas at these offsets, with EINVAL. */
    refusedAreas?: readonly number[];
    /** The file behind the region, which stays the caller's. */
    fd?: Fd;
  } = {},
): Promise<MemoryRegion> {
  const size = options.size ?? 65536;
  const fileOffset = options.fileOffset ?? 0;
  const fd = options.fd ?? addon.memfdCreate('test-region', BigInt(options.fileBytes ?? fileOffset + size), 0);
  const kernel = {
    ioTarget: () => ({ kind: 'fd', fd }),
    mmap: (device: Fd, offset: bigint, length: number, prot: { read: boolean; write: boolean }) => {
      if (options.refusedAreas?.includes(Number(offset) - fileOffset)) throw systemError('EINVAL', 'mmap');
      return addon.mappingCreate(device, offset, length, (prot.read ? 1 : 0) | (prot.write ? 2 : 0));
    },
    restoreMapping: (device: Fd, mapping: MappingHandle, offset: bigint) =>
      addon.mappingRestore(mapping, device, offset),
  } as unknown as VfioKernel;
  const sparseMmap = options.sparse?.map((area) => ({ offset: BigInt(area.offset), size: BigInt(area.size) }));
  const info: RegionInfo = {
    index: 0,
    flags: options.flags ?? 7,
    size: BigInt(size),
    offset: BigInt(fileOffset),
    capabilities: sparseMmap === undefined ? {} : { sparseMmap },
  };
  const closeFile = (): void => {
    if (options.fd === undefined) addon.closeFdSync(fd);
  };
  try {
    const region = await Region.open({ kernel, device: fd, deviceName: 'memory', info, ioPort: false, lane });
    return { region, fd, close: () => region.close().finally(closeFile) };
  } catch (error) {
    closeFile();
    throw error;
  }
}

/** The region's flags for trapped access: READ and WRITE without MMAP. */
export const TRAPPED = 3;
