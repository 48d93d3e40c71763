import type { Fd } from '../../../lib/kernel/kernel.js';
import { linuxKernel } from '../../../lib/kernel/linux/linux.js';
import { addon } from '../../../lib/native/addon.js';
import { VFIO_TYPE1v2_IOMMU } from '../../../lib/uapi/vfio.js';
import { bind, restore } from './binding.js';
import { groupName } from './sysfs.js';

/** A device of the real kernel with its group and container, opened step by step. */
export class RealDevice {
  readonly kernel = linuxKernel();
  container: Fd = -1;
  group: Fd = -1;
  device: Fd = -1;

  constructor(readonly bdf: string) {}

  async openGroup(): Promise<void> {
    await bind(this.bdf);
    this.container = await this.kernel.openContainer();
    this.group = await this.kernel.openGroup(groupName(this.bdf));
  }

  async openDevice(type = VFIO_TYPE1v2_IOMMU): Promise<void> {
    await this.openGroup();
    await this.kernel.setContainer(this.group, this.container);
    await this.kernel.setIommu(this.container, type);
    this.device = await this.kernel.getDeviceFd(this.group, this.bdf);
  }

  async closeFiles(): Promise<void> {
    for (const fd of [this.device, this.group, this.container]) if (fd >= 0) await this.kernel.close(fd);
    [this.device, this.group, this.container] = [-1, -1, -1];
  }

  /** Closes what is open and gives the function back to its driver. */
  async close(): Promise<void> {
    await this.closeFiles();
    await restore(this.bdf);
  }

  /** Where a region starts in the device's file. */
  offset(regionIndex: number): bigint {
    return this.kernel.getRegionInfo(this.device, regionIndex).offset;
  }

  async read(regionIndex: number, regionOffset: number, length: number): Promise<Uint8Array> {
    return this.kernel.pread(this.device, this.offset(regionIndex) + BigInt(regionOffset), length);
  }

  /** Writes a 32-bit value. */
  async write32(regionIndex: number, regionOffset: number, value: number): Promise<number> {
    const bytes = new Uint8Array(Uint32Array.of(value).buffer);
    return this.kernel.pwrite(this.device, this.offset(regionIndex) + BigInt(regionOffset), bytes);
  }

  /** Writes the command register. */
  async setCommand(bits: number): Promise<void> {
    const config = 7;
    await this.kernel.pwrite(this.device, this.offset(config) + 4n, Uint8Array.of(bits, 0));
  }
}

/** Up to 8 little-endian bytes as a number. */
export function valueOf(bytes: Uint8Array): bigint {
  return bytes.reduceRight((high, byte) => (high << 8n) | BigInt(byte), 0n);
}

/** An eventfd's count, after an interrupt had the time to arrive. */
export function countOf(eventfd: Fd, timeoutMs = 500): number {
  return addon.eventfdWait(eventfd, timeoutMs);
}
