import type { Fd, VfioKernel } from '../../../lib/kernel/kernel.js';
import { VFIO_TYPE1v2_IOMMU } from '../../../lib/uapi/vfio.js';
import { groupName } from './sysfs.js';

/** A device opened through a group and a container of its own, by the calls of the seam alone. */
export interface OpenDevice {
  readonly container: Fd;
  readonly group: Fd;
  readonly device: Fd;
  /** Closes all three. A mapping of the device must be revoked or collected before, for it to be free. */
  readonly close: () => Promise<void>;
}

/**
 * Opens a device that is bound to a VFIO driver, or a mediated one.
 * @param name a bdf or a uuid
 * @param iommuType VFIO_TYPE1v2_IOMMU, or VFIO_NOIOMMU_IOMMU for a group without an IOMMU
 */
export async function openDevice(
  kernel: VfioKernel,
  name: string,
  iommuType: number = VFIO_TYPE1v2_IOMMU,
): Promise<OpenDevice> {
  const files: Fd[] = [];
  const close = async (): Promise<void> => {
    for (const fd of files.reverse()) await kernel.close(fd);
  };
  try {
    const container = await kernel.openContainer();
    files.push(container);
    const group = await kernel.openGroup(groupName(name));
    files.push(group);
    await kernel.setContainer(group, container);
    await kernel.setIommu(container, iommuType);
    const device = await kernel.getDeviceFd(group, name);
    files.push(device);
    return { container, group, device, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Reads a part of a region by pread. @param regionOffset from the region's start, in bytes */
export async function readRegion(
  kernel: VfioKernel,
  device: Fd,
  regionIndex: number,
  regionOffset: number,
  length: number,
): Promise<Buffer> {
  const { offset } = kernel.getRegionInfo(device, regionIndex);
  return Buffer.from(await kernel.pread(device, offset + BigInt(regionOffset), length));
}

/** Writes a part of a region by pwrite. @throws when the kernel took less than all */
export async function writeRegion(
  kernel: VfioKernel,
  device: Fd,
  regionIndex: number,
  regionOffset: number,
  data: Uint8Array,
): Promise<void> {
  const { offset } = kernel.getRegionInfo(device, regionIndex);
  const written = await kernel.pwrite(device, offset + BigInt(regionOffset), data);
  if (written !== data.length) throw new Error(`pwrite took ${written} of ${data.length} bytes`);
}
