import assert from 'node:assert/strict';
import { once } from 'node:events';
import { closeSync, existsSync, openSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import type { RemovalMessage } from '../../../../lib/base/diagnostics.js';
import { walkCapabilities } from '../../../../lib/config-space/capabilities.js';
import type { Engine } from '../../../../lib/engine/engine.js';
import { PCI_CAP_ID_EXP, PCI_CFG_SPACE_SIZE } from '../../../../lib/uapi/pci.js';
import { BDF } from '../../devices.js';
import { bind } from '../../support/binding.js';
import { linuxEngine } from '../../support/engine.js';
import { eventually } from '../../support/eventually.js';
import { stormWhile } from '../../support/storm.js';
import { deviceFolder } from '../../support/sysfs.js';

/** Source: PCI Express Base Specification, Slot Control Register */
const PCI_EXP_SLTCTL = 0x18;
/** The interrupt of hotplug events is on. */
const PCI_EXP_SLTCTL_HPIE = 0x0020;
const PCI_EXP_SLTCTL_PIC_OFF = 0x0300;
const PCI_EXP_SLTCTL_PCC = 0x0400;

/** The ethernet type of a VLAN, which the card keeps at this value. Where no card is, QEMU's memory reads as 0, hardware's as ones. */
const ETHERNET_TYPE = { regionIndex: 0, offsets: [0x38, 0x38, 0x38], constants: [0x8100, 0, 0xffff_ffff] } as const;

// QEMU removes the card for good, so each backend has one of its own, and no other spec uses them.
for (const [backend, slot, card] of [
  ['container', BDF.slotA, BDF.cardA],
  ['iommufd', BDF.slotB, BDF.cardB],
] as const) {
  describe(`surprise removal by ${backend}`, function () {
    this.timeout(60_000);
    let engine: Engine;
    before(() => (engine = linuxEngine({ backend })));
    after(() => engine.close());

    it('ends the accesses, the waits and the attachment of the device', async () => {
      await bind(card);
      const device = await engine.attach(card);
      const memory = await device.dma.allocate(4096);
      await device.irq('msi').enable();
      const waiting = device.irq('msi').next();
      waiting.catch(() => undefined);
      const removed = once(device, 'removed');
      const tally = await stormWhile(device, ETHERNET_TYPE, 1, async () => {
        pullCard(slot);
        await eventually('the device is detached', () => !device.attached);
        await sleep(100);
      });
      console.log(`      ${JSON.stringify(tally)}`);
      assert.equal(tally.wrong, 0, JSON.stringify(tally));
      assert.ok(tally.closed > 0, JSON.stringify(tally));
      await assert.rejects(waiting, { code: 'ERR_CLOSED' });
      assert.throws(() => device.region(0), { code: 'ERR_CLOSED' });
      const [{ error }] = (await removed) as [RemovalMessage];
      assert.equal(error.code, 'ENODEV');
      await device.detach();
      assert.deepEqual(engine.devices, []);
      await memory.free();
      await eventually('the card is gone', () => !existsSync(deviceFolder(card)));
      await assert.rejects(engine.attach(card), { code: 'ENODEV' });
    });
  });
}

/**
 * Makes QEMU remove the card of a slot at once, which it does when the slot's power is switched off. The power is on again before the
 * kernel is told, as it is when a hand pulls the card. With the power off the kernel takes the slot for disabled and keeps the device.
 */
function pullCard(port: string): void {
  const config = openSync(join(deviceFolder(port), 'config'), 'r+');
  try {
    const control = expressCapability(config) + PCI_EXP_SLTCTL;
    const before = read(config, control, 2);
    write(config, control, (before & ~PCI_EXP_SLTCTL_HPIE) | PCI_EXP_SLTCTL_PIC_OFF | PCI_EXP_SLTCTL_PCC);
    write(config, control, before);
  } finally {
    closeSync(config);
  }
}

function expressCapability(config: number): number {
  const bytes = new Uint8Array(PCI_CFG_SPACE_SIZE);
  readSync(config, bytes, 0, bytes.length, 0);
  const found = walkCapabilities(bytes).find(({ id }) => id === PCI_CAP_ID_EXP);
  if (found === undefined) throw new Error('the port has no PCI Express capability');
  return found.offset;
}

function read(config: number, offset: number, length: number): number {
  const bytes = Buffer.alloc(length);
  readSync(config, bytes, 0, length, offset);
  return bytes.readUIntLE(0, length);
}

function write(config: number, offset: number, value: number): void {
  writeSync(config, Uint8Array.of(value & 0xff, value >> 8), 0, 2, offset);
}
