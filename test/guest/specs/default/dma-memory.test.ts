import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';

import type { Device } from '../../../../lib/device/device.js';
import type { Engine } from '../../../../lib/engine/engine.js';
import { addressOf, areaAt } from '../../../support/own-memory.js';
import { BDF } from '../../devices.js';
import { linuxEngine } from '../../support/engine.js';
import { bind, restore } from '../../support/binding.js';
import { createMdev, removeMdevs } from '../../support/mdev.js';

const PAGE = 4096;
const LARGE = 2 << 20;
const NR_HUGE_PAGES = '/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages';

for (const backend of ['container', 'iommufd'] as const) {
  describe(`memory for DMA on the real kernel, by ${backend}`, function () {
    this.timeout(60_000);
    let engine: Engine;
    let device: Device;
    let hugePages: string;

    before(async () => {
      hugePages = readFileSync(NR_HUGE_PAGES, 'latin1');
      await bind(BDF.eduWide);
      engine = linuxEngine({ backend });
      device = await engine.attach(BDF.eduWide);
    });
    after(async () => {
      await engine.close();
      await restore(BDF.eduWide);
      writeFileSync(NR_HUGE_PAGES, hugePages);
    });
    afterEach(() => engine.dma.unmapAll());

    it('huge pages where the machine has some, else ordinary ones, and the buffer tells', async () => {
      writeFileSync(NR_HUGE_PAGES, '0');
      const ordinary = await device.dma.allocate(LARGE, { kind: 'hugepages' });
      assert.equal(ordinary.pageSize, PAGE);
      writeFileSync(NR_HUGE_PAGES, '4');
      const huge = await device.dma.allocate(LARGE + PAGE, { kind: 'hugepages', guardPages: true, prefault: true });
      assert.deepEqual([huge.pageSize, huge.size], [LARGE, BigInt(2 * LARGE)]);
      assert.equal(areaAt(addressOf(huge.memory)).facts.get('KernelPageSize'), LARGE / 1024);
      assert.match(areaAt(addressOf(huge.memory) - 1n).rights, /^---/);
      await huge.free();
      huge.bytes[LARGE] = 1;
      await huge.discard(LARGE, LARGE);
      assert.equal(huge.bytes[LARGE], 0);
    });

    it('is not discarded while a device has it pinned; under a mediated one the caller vouches', async () => {
      const buffer = await device.dma.allocate(4 * PAGE);
      buffer.bytes.fill(0x5a);
      await assert.rejects(buffer.discard(0, PAGE, { vouched: true }), { code: 'EBUSY' });
      await device.detach();
      const mediated = await engine.attach(createMdev('mtty-1'));
      await assert.rejects(buffer.discard(0, PAGE), { code: 'EBUSY' });
      await buffer.discard(0, PAGE, { vouched: true });
      assert.deepEqual([buffer.bytes[0], buffer.bytes[PAGE]], [0, 0x5a]);
      await mediated.detach();
      await removeMdevs();
      device = await engine.attach(BDF.eduWide);
    });
  });
}
