import assert from 'node:assert/strict';

import type { Device } from '../../../../lib/device/device.js';
import type { Engine } from '../../../../lib/engine/engine.js';
import { addon } from '../../../../lib/native/addon.js';
import { VFIO_DEVICE_FEATURE_GET } from '../../../../lib/uapi/vfio.js';
import { EDU_IDENT, EDU_REG } from '../../../../lib/models/edu/registers.js';
import { BDF } from '../../devices.js';
import { linuxEngine } from '../../support/engine.js';
import { bind, restore, whileBound } from '../../support/binding.js';

/** VFIO_DEVICE_FEATURE_MIGRATION: no device of the guest's has it. */
const MIGRATION = 1;
const COMMAND = 0x04;
const BAR0 = 0x10;

for (const backend of ['container', 'iommufd'] as const) {
  describe(`reset and state by ${backend}`, function () {
    this.timeout(60_000);
    let engine: Engine;
    before(async () => {
      await bind(BDF.bridgedEdu);
      await bind(BDF.edu);
      engine = linuxEngine({ backend });
    });
    after(async () => {
      await engine.close();
      await restore(BDF.bridgedEdu);
      await restore(BDF.edu);
    });

    async function whileAttached(bdf: string, work: (device: Device) => Promise<void>): Promise<void> {
      const device = await engine.attach(bdf, { busMaster: true });
      try {
        await work(device);
      } finally {
        await device.detach();
      }
    }

    it('lists what a hot reset takes along, resets it when all is ours, and keeps config space', () =>
      whileBound([BDF.bridgedTestdev], () =>
        whileAttached(BDF.bridgedEdu, async (device) => {
          const along = device.queryHotReset() ?? [];
          assert.deepEqual(
            along.map(({ name }) => name).filter((name) => name.startsWith('0000:02')),
            [BDF.bridgedEdu, BDF.bridgedTestdev],
          );
          assert.ok(along.every(({ owned }) => owned));
          const registers = (): Promise<number[]> => Promise.all([COMMAND, BAR0].map((at) => device.config.read32(at)));
          const before = await registers();
          await device.hotReset();
          assert.deepEqual(await registers(), before);
          assert.equal(await device.region(0).read32(EDU_REG.IDENT), EDU_IDENT);
        }),
      ));

    it('says which device keeps a hot reset from being made', () =>
      whileAttached(BDF.bridgedEdu, async (device) => {
        await assert.rejects(device.hotReset(), (error: Error & { code?: string }) => {
          assert.ok(error.code === 'EINVAL' || error.code === 'EPERM', String(error));
          assert.match(error.message, new RegExp(BDF.bridgedTestdev));
          return true;
        });
        assert.equal(await device.region(0).read32(EDU_REG.IDENT), EDU_IDENT);
      }));

    it('has none on the root bus', () =>
      whileAttached(BDF.edu, async (device) => {
        assert.equal(device.queryHotReset(), undefined);
        await assert.rejects(device.hotReset(), { code: 'ERR_NOT_SUPPORTED' });
      }));

    it('sleeps and wakes up', () =>
      whileAttached(BDF.edu, async (device) => {
        const eventfd = addon.eventfdCreate();
        assert.equal(device.features.lowPower, true);
        await device.features.enterLowPower();
        await device.features.exitLowPower();
        await device.features.enterLowPower({ wakeup: eventfd });
        await assert.rejects(device.features.enterLowPower(), { code: 'EINVAL', device: device.name });
        await device.features.exitLowPower();
        assert.equal(await device.region(0).read32(EDU_REG.IDENT), EDU_IDENT);
        addon.closeFdSync(eventfd);
      }));

    it('tells the features that it lacks', () =>
      whileAttached(BDF.edu, async (device) => {
        assert.equal(device.features.has(MIGRATION), false);
        assert.equal(device.features.has(MIGRATION, VFIO_DEVICE_FEATURE_GET), false);
        await assert.rejects(device.features.get(MIGRATION, new Uint8Array(8)), { code: 'ERR_NOT_SUPPORTED' });
      }));
  });
}
