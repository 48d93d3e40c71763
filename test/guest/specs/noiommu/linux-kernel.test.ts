import assert from 'node:assert/strict';
import { linuxKernel } from '../../../../lib/kernel/linux/linux.js';
import {
  VFIO_DMA_MAP_FLAG_READ,
  VFIO_NOIOMMU_IOMMU,
  VFIO_PCI_BAR0_REGION_INDEX,
  VFIO_TYPE1v2_IOMMU,
} from '../../../../lib/uapi/vfio.js';
import { EDU_IDENT, EDU_REG } from '../../../../lib/models/edu/registers.js';
import { BDF } from '../../devices.js';
import { whileBound } from '../../support/binding.js';
import { openDevice, readRegion } from '../../support/open-device.js';

describe('linuxKernel without an IOMMU', () => {
  const kernel = linuxKernel();

  it('opens edu, reads BAR 0, and maps no DMA', async () => {
    await whileBound([BDF.edu], async () => {
      const { container, device, close } = await openDevice(kernel, BDF.edu, VFIO_NOIOMMU_IOMMU);
      const bytes = await readRegion(kernel, device, VFIO_PCI_BAR0_REGION_INDEX, EDU_REG.IDENT, 4);
      assert.equal(bytes.readUInt32LE(), EDU_IDENT);
      const map = { flags: VFIO_DMA_MAP_FLAG_READ, vaddr: 0x10000n, iova: 0n, size: 4096n };
      await assert.rejects(kernel.mapDma(container, map), { code: 'ENOTTY' });
      await close();
    });
  });

  it('rejects the type1 IOMMU for a noiommu group', async () => {
    await whileBound([BDF.edu], async () => {
      await assert.rejects(openDevice(kernel, BDF.edu, VFIO_TYPE1v2_IOMMU), { code: 'ENODEV' });
    });
  });
});
