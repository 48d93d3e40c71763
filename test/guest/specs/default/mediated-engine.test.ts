import assert from 'node:assert/strict';

import type { Engine } from '../../../../lib/engine/engine.js';
import { VFIO_PCI_INTX_IRQ_INDEX } from '../../../../lib/uapi/vfio.js';
import { linuxEngine } from '../../support/engine.js';
import { createMdev, removeMdevs } from '../../support/mdev.js';

/** Registers of a 16550, which mtty's ports are. */
const INTERRUPT_ENABLE = 1;
const MODEM_CONTROL = 4;
const SCRATCH = 7;
const OUT2 = 0x08;
const TRANSMITTER_EMPTY = 0x02;

for (const backend of ['container', 'iommufd'] as const) {
  describe(`mediated devices, attached by ${backend}`, () => {
    let engine: Engine;

    before(() => {
      engine = linuxEngine({ backend });
    });
    after(() => engine.close());
    afterEach(async () => {
      for (const device of engine.devices) await device.detach();
      await removeMdevs();
    });

    it('mtty: all regions trapped, config space, and a port that keeps what is written', async () => {
      const uuid = createMdev('mtty-2');
      const device = await engine.attach(uuid.toUpperCase());
      assert.deepEqual([device.name, device.backend], [uuid, backend]);
      assert.ok(device.regions.every(({ kind }) => kind === 'trapped'));
      const { vendorId, deviceId } = await device.config.header();
      assert.deepEqual([vendorId, deviceId], [0x4348, 0x3253]);
      await device.region(0).write8(SCRATCH, 0x5a);
      assert.equal(await device.region(0).read8(SCRATCH), 0x5a);
      assert.equal(device.region(0).accessor.read8(SCRATCH), 0x5a);
    });

    it('mtty: INTx to a handler and to a wait', async () => {
      const device = await engine.attach(createMdev('mtty-2'));
      const port = device.region(0);
      const intx = device.irq(VFIO_PCI_INTX_IRQ_INDEX);
      let handled = 0;
      await intx.enable({ handler: (_, count) => void (handled += count) });
      // OUT2 lets interrupts through; an empty transmitter then raises one at once when it is enabled.
      await port.write8(MODEM_CONTROL, OUT2);
      await port.write8(INTERRUPT_ENABLE, TRANSMITTER_EMPTY);
      assert.ok((await intx.next(0, { timeoutMs: 10_000 })) > 0);
      assert.ok(handled > 0);
    });

    it('mdpy: a framebuffer mapped into JavaScript', async () => {
      const device = await engine.attach(createMdev('mdpy-vga'));
      const bar = device.region(0);
      assert.equal(bar.kind, 'mapped');
      const [area] = bar.areas;
      assert.ok(area !== undefined && area.view.length >= 640 * 480 * 4);
      await bar.write32(4096, 0x00c0ffee);
      assert.equal(new DataView(area.view.buffer).getUint32(area.view.byteOffset + 4096, true), 0x00c0ffee);
      area.view.set([1, 2, 3, 4], 640);
      assert.equal(await bar.read32(640), 0x04030201);
      const stale = area.view;
      await device.detach();
      assert.equal(stale[640], 0xff, 'a view reads all ones once the device is gone');
    });

    it('map DMA memory that is not pinned until they ask', async () => {
      const device = await engine.attach(createMdev('mtty-1'));
      const buffer = await device.dma.allocate(1 << 20, { iova: 0x100000n });
      assert.equal(buffer.iova, 0x100000n);
      await buffer.free();
    });

    it('go away once they are detached', async () => {
      const device = await engine.attach(createMdev('mtty-1'));
      const removing = removeMdevs();
      await device.detach();
      await removing;
      await assert.rejects(engine.attach(device.name), { code: 'ENODEV' });
    });
  });
}
