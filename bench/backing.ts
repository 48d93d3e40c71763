import { linuxKernel } from '../lib/kernel/linux/linux.js';
import type { Fd, MappingHandle } from '../lib/kernel/kernel.js';
import { addon } from '../lib/native/addon.js';
import { queryGroup } from '../lib/sysfs/iommu-group.js';
import { VFIO_PCI_BAR2_REGION_INDEX, VFIO_TYPE1v2_IOMMU } from '../lib/uapi/vfio.js';

/** A function whose BAR 2 is memory (ivshmem-plain): set, the cases work on that region of the real kernel's. */
export const DEVICE_VARIABLE = 'VFIO_ENGINE_BENCH_DEVICE';

/** The file that a case's region lies over: memory of this machine, or a device of the real kernel's. */
export interface Backing {
  readonly fd: Fd;
  /** Where the region begins in the file, bytes. */
  readonly fileOffset: bigint;
  /** @param offset into the region. @param size bytes, whole pages */
  map(offset: number, size: number): Promise<MappingHandle>;
  close(): Promise<void>;
}

const READ_WRITE = { read: true, write: true };

/** @param size bytes, whole pages; a device's region has to be that large */
export async function openBacking(size: number): Promise<Backing> {
  const device = process.env[DEVICE_VARIABLE];
  return device === undefined ? openMemory(size) : openDevice(device, size);
}

/** Memory of this machine, wherever the benchmark runs. */
export function openMemory(size: number): Backing {
  const fd = addon.memfdCreate('bench', BigInt(size), 0);
  return {
    fd,
    fileOffset: 0n,
    map: (offset, length) => Promise.resolve(addon.mappingCreate(fd, BigInt(offset), length, 3)),
    close: () => addon.closeFd(fd),
  };
}

/** By group and container, without the engine: what a case measures is the region alone. */
async function openDevice(name: string, size: number): Promise<Backing> {
  const kernel = linuxKernel();
  const { id } = await queryGroup(kernel.sysfs, `/sys/bus/pci/devices/${name}`, name);
  const container = await kernel.openContainer();
  const group = await kernel.openGroup(id);
  await kernel.setContainer(group, container);
  await kernel.setIommu(container, VFIO_TYPE1v2_IOMMU);
  const fd = await kernel.getDeviceFd(group, name);
  const region = kernel.getRegionInfo(fd, VFIO_PCI_BAR2_REGION_INDEX);
  if (region.size < BigInt(size)) throw new RangeError(`BAR 2 of ${name} has ${region.size} bytes, not ${size}`);
  return {
    fd,
    fileOffset: region.offset,
    map: (offset, length) => kernel.mmap(fd, region.offset + BigInt(offset), length, READ_WRITE),
    close: async () => {
      await kernel.close(fd);
      await kernel.unsetContainer(group);
      await kernel.close(group);
      await kernel.close(container);
    },
  };
}
