import assert from 'node:assert/strict';

import type { Engine } from '../../../../lib/engine/engine.js';
import { VFIO_PCI_MSIX_IRQ_INDEX } from '../../../../lib/uapi/vfio.js';
import { BDF } from '../../devices.js';
import { linuxEngine } from '../../support/engine.js';
import { bind, restore } from '../../support/binding.js';

/** Registers of an NVMe controller. Source: NVM Express Base Specification 1.4, section 3.1 */
const CONFIGURATION = 0x14;
const STATUS = 0x1c;
const ADMIN_QUEUE_SIZES = 0x24;
const ADMIN_SUBMISSION_QUEUE = 0x28;
const ADMIN_COMPLETION_QUEUE = 0x30;
const ADMIN_SUBMISSION_DOORBELL = 0x1000;
const READY = 1;
/** Enabled, submission entries of 64 bytes, completion entries of 16. */
const ENABLED = 1 | (6 << 16) | (4 << 20);
const QUEUE_ENTRIES = 16;
const IDENTIFY = 0x06;
const IDENTIFY_CONTROLLER = 1;
const PAGE = 4096;

for (const backend of ['container', 'iommufd'] as const) {
  describe(`nvme by ${backend}`, function () {
    this.timeout(60_000);
    let engine: Engine;

    before(async () => {
      await bind(BDF.nvme);
      engine = linuxEngine({ backend });
    });
    after(async () => {
      await engine.close();
      await restore(BDF.nvme);
    });

    it('tells by DMA who it is, and says by MSI-X that it has', async () => {
      const nvme = await engine.attach(BDF.nvme, { busMaster: true });
      const registers = nvme.region(0);
      const memory = await nvme.dma.allocate(3 * PAGE);
      const [submission, completion, data] = [memory.iova, memory.iova + BigInt(PAGE), memory.iova + BigInt(2 * PAGE)];
      const msix = nvme.irq(VFIO_PCI_MSIX_IRQ_INDEX);
      await msix.enable();

      const ready = (value: number) =>
        registers.pollUntil(STATUS, { width: 4, mask: READY, value }, { timeoutMs: 10_000 });
      await registers.write32(CONFIGURATION, 0);
      await ready(0);
      await registers.write32(ADMIN_QUEUE_SIZES, ((QUEUE_ENTRIES - 1) << 16) | (QUEUE_ENTRIES - 1));
      await registers.write64(ADMIN_SUBMISSION_QUEUE, submission);
      await registers.write64(ADMIN_COMPLETION_QUEUE, completion);
      await registers.write32(CONFIGURATION, ENABLED);
      await ready(READY);

      const command = new DataView(memory.memory, 0, 64);
      command.setUint32(0, IDENTIFY | (7 << 16), true);
      command.setBigUint64(24, data, true);
      command.setUint32(40, IDENTIFY_CONTROLLER, true);
      await registers.doorbell32(ADMIN_SUBMISSION_DOORBELL, 1);
      assert.equal(await msix.next(0, { timeoutMs: 10_000 }), 1);

      const entry = new DataView(memory.memory, PAGE, 16);
      assert.equal(entry.getUint16(12, true), 7, 'the command that was completed');
      assert.equal(entry.getUint16(14, true), 1, 'phase 1, status success');
      const identity = Buffer.from(memory.memory, 2 * PAGE, PAGE);
      assert.equal(identity.readUInt16LE(0), 0x1b36);
      assert.equal(identity.toString('latin1', 4, 24).trimEnd(), 'vfio-guest');
      assert.equal(identity.toString('latin1', 24, 64).trimEnd(), 'QEMU NVMe Ctrl');
      await memory.free();
      await nvme.detach();
    });
  });
}
