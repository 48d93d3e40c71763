import assert from 'node:assert/strict';
import { linuxKernel } from '../../../../lib/kernel/linux/linux.js';
import { addon } from '../../../../lib/native/addon.js';
import {
  VFIO_IRQ_SET_ACTION_TRIGGER,
  VFIO_IRQ_SET_DATA_EVENTFD,
  VFIO_PCI_BAR0_REGION_INDEX,
  VFIO_PCI_CONFIG_REGION_INDEX,
  VFIO_PCI_INTX_IRQ_INDEX,
  VFIO_REGION_INFO_FLAG_MMAP,
} from '../../../../lib/uapi/vfio.js';
import { whileMapped } from '../../support/mapped.js';
import { createMdev, removeMdevs } from '../../support/mdev.js';
import { openDevice, readRegion, writeRegion, type OpenDevice } from '../../support/open-device.js';

/** Registers of a 16550, which mtty's ports are. */
const INTERRUPT_ENABLE = 1;
const MODEM_CONTROL = 4;
const LINE_STATUS = 5;
const SCRATCH = 7;

describe('linuxKernel with mediated devices', () => {
  const kernel = linuxKernel();
  let open: OpenDevice;

  afterEach(async () => {
    await open.close();
    await removeMdevs();
  });

  it('mtty: trapped ports and config space', async () => {
    open = await openDevice(kernel, createMdev('mtty-2'));
    const config = await readRegion(kernel, open.device, VFIO_PCI_CONFIG_REGION_INDEX, 0, 4);
    assert.equal(config.readUInt32LE(), 0x32534348);
    const bar0 = kernel.getRegionInfo(open.device, VFIO_PCI_BAR0_REGION_INDEX);
    assert.equal(bar0.flags & VFIO_REGION_INFO_FLAG_MMAP, 0);
    await assert.rejects(kernel.mmap(open.device, bar0.offset, 4096, { read: true, write: true }));
    await writeRegion(kernel, open.device, VFIO_PCI_BAR0_REGION_INDEX, SCRATCH, Uint8Array.of(0x5a));
    assert.equal((await readRegion(kernel, open.device, VFIO_PCI_BAR0_REGION_INDEX, SCRATCH, 1))[0], 0x5a);
    const status = await readRegion(kernel, open.device, VFIO_PCI_BAR0_REGION_INDEX, LINE_STATUS, 1);
    assert.equal((status[0] ?? 0) & 0x60, 0x60, 'the transmitter is empty');
  });

  it('mtty: INTx by eventfd', async () => {
    open = await openDevice(kernel, createMdev('mtty-2'));
    // mtty takes no interrupt before it was asked for its device info.
    kernel.getDeviceInfo(open.device);
    const eventfd = addon.eventfdCreate();
    const flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
    await kernel.setIrqs(open.device, {
      flags,
      index: VFIO_PCI_INTX_IRQ_INDEX,
      start: 0,
      count: 1,
      eventfds: [eventfd],
    });
    // OUT2 lets the interrupt through; an empty transmitter then raises it at once when it is enabled.
    await writeRegion(kernel, open.device, VFIO_PCI_BAR0_REGION_INDEX, MODEM_CONTROL, Uint8Array.of(0x08));
    await writeRegion(kernel, open.device, VFIO_PCI_BAR0_REGION_INDEX, INTERRUPT_ENABLE, Uint8Array.of(0x02));
    assert.ok(addon.eventfdWait(eventfd, 10_000) > 0);
    addon.closeFdSync(eventfd);
  });

  it('mdpy: a mapped framebuffer', async () => {
    open = await openDevice(kernel, createMdev('mdpy-vga'));
    const bar0 = kernel.getRegionInfo(open.device, VFIO_PCI_BAR0_REGION_INDEX);
    assert.equal(bar0.flags & VFIO_REGION_INFO_FLAG_MMAP, VFIO_REGION_INFO_FLAG_MMAP);
    await whileMapped(kernel, open.device, VFIO_PCI_BAR0_REGION_INDEX, Number(bar0.size), async (view) => {
      new Uint8Array(view).set([1, 2, 3, 4]);
      // mdpy's own pread answers from the start of its memory, whatever the offset.
      assert.deepEqual([...(await readRegion(kernel, open.device, VFIO_PCI_BAR0_REGION_INDEX, 0, 4))], [1, 2, 3, 4]);
    });
  });
});
