import { VFIO_PCI_CONFIG_REGION_INDEX } from '../../lib/uapi/vfio.js';
import type { Fd, VfioKernel } from '../../lib/kernel/kernel.js';
import { fileOffset } from './register-access.js';

/** The places of edu's config space whose first values are those of the machine: BARs, ROM, interrupt line, message. */
const OF_MACHINE = [
  { offset: 0x10, length: 24 },
  { offset: 0x30, length: 4 },
  { offset: 0x3c, length: 1 },
  { offset: 0x44, length: 10 },
] as const;

/** Writes 0 to what the firmware and earlier users left in a device's config space, so that programs can read all of it. */
export async function makeConfigKnown(kernel: VfioKernel, device: Fd): Promise<void> {
  for (const { offset, length } of OF_MACHINE) {
    await kernel.pwrite(
      device,
      fileOffset({ regionIndex: VFIO_PCI_CONFIG_REGION_INDEX, offset }),
      new Uint8Array(length),
    );
  }
}
