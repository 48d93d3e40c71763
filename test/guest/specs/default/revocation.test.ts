import assert from 'node:assert/strict';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';

import type { Device } from '../../../../lib/device/device.js';
import type { Engine } from '../../../../lib/engine/engine.js';
import { EDU_IDENT, EDU_REG } from '../../../../lib/models/edu/registers.js';
import { BDF } from '../../devices.js';
import { whileBound } from '../../support/binding.js';
import { linuxEngine } from '../../support/engine.js';
import { stormWhile } from '../../support/storm.js';
import type { StormWords } from '../../support/storm-driver.js';
import type { Tally } from '../../support/word-user.js';

/** The whole proof takes 200, by hand: --env VFIO_ENGINE_REVOCATIONS=200. */
const ROUNDS = Number(process.env['VFIO_ENGINE_REVOCATIONS'] ?? 10);
/** A hot reset takes the kernel a second. */
const HOT_RESETS = Math.ceil(ROUNDS / 5);

/** edu keeps the addresses and the count of its next transfer. */
const EDU_WORDS: StormWords = { regionIndex: 0, offsets: [EDU_REG.DMA_SOURCE, EDU_REG.DMA_TARGET, EDU_REG.DMA_COUNT] };
const IVSHMEM_WORDS: StormWords = { regionIndex: 2, offsets: [0x1000, 0x1008, 0x1010] };
/** The version of the interface, 1.4. */
const NVME_WORDS: StormWords = { regionIndex: 0, offsets: [8, 8, 8], constants: [0x0001_0400] };
/** The ethernet type of a VLAN. No reset changes it. */
const E1000E_WORDS: StormWords = { regionIndex: 0, offsets: [0x38, 0x38, 0x38], constants: [0x8100] };

for (const backend of ['container', 'iommufd'] as const) {
  describe(`revoked mappings by ${backend}`, function () {
    this.timeout(60_000 + ROUNDS * 2000);
    let engine: Engine;
    beforeEach(() => (engine = linuxEngine({ backend })));
    afterEach(() => engine.close());

    it('are told of and restored by the command register', () =>
      whileBound([BDF.edu], async () => {
        const device = await engine.attach(BDF.edu);
        const events: string[] = [];
        for (const name of ['revoked', 'restored'] as const) {
          device.on(name, ({ regionIndex, offset }) => events.push(`${name} ${regionIndex} at ${offset}`));
        }
        const bar = device.region(0);
        const { accessor } = bar;
        await device.config.setMemoryDecode(false);
        assert.equal(bar.revoked, false, 'nobody has accessed it');
        await assert.rejects(bar.write32(EDU_REG.LIVENESS, 1), { code: 'ERR_REVOKED' });
        assert.throws(() => accessor.write32(EDU_REG.LIVENESS, 1), { code: 'ERR_REVOKED' });
        assert.throws(() => accessor.read32(EDU_REG.IDENT), { code: 'ERR_REVOKED' });
        assert.equal(bar.revoked, true);
        await device.config.setMemoryDecode(true);
        assert.equal(bar.revoked, false);
        assert.equal(await bar.read32(EDU_REG.IDENT), EDU_IDENT);
        assert.equal(accessor.read32(EDU_REG.IDENT), EDU_IDENT);
        assert.deepEqual(events, [`revoked 0 at ${EDU_REG.LIVENESS}`, `restored 0 at ${EDU_REG.LIVENESS}`]);
      }));

    it('are restored when the device leaves low power, and not looked at before', () =>
      whileBound([BDF.edu], async () => {
        const device = await engine.attach(BDF.edu);
        const bar = device.region(0);
        await device.features.enterLowPower();
        await assert.rejects(bar.read32(EDU_REG.IDENT), { code: 'ERR_REVOKED' });
        await sleep(200);
        assert.equal(bar.revoked, true, 'nobody woke it');
        await device.features.exitLowPower();
        assert.equal(bar.revoked, false);
        assert.equal(await bar.read32(EDU_REG.IDENT), EDU_IDENT);
      }));

    it('are restored within 100 ms of what the engine does not see', () =>
      whileBound([BDF.edu], async () => {
        const device = await engine.attach(BDF.edu);
        const bar = device.region(0);
        await device.config.setMemoryDecode(false);
        await assert.rejects(bar.read32(EDU_REG.IDENT), { code: 'ERR_REVOKED' });
        const restored = once(device, 'restored', { signal: AbortSignal.timeout(10_000) });
        // By the region of config space, which the engine does not follow.
        const config = device.region(7);
        await config.write16(4, (await config.read16(4)) | 2);
        const start = performance.now();
        await restored;
        const took = performance.now() - start;
        assert.equal(await bar.read32(EDU_REG.IDENT), EDU_IDENT);
        assert.ok(took < 1000, `${took} ms`);
      }));

    for (const [name, bdf, words] of [
      ['edu', BDF.edu, EDU_WORDS],
      ['ivshmem', BDF.ivshmem, IVSHMEM_WORDS],
    ] as const) {
      it(`lose no write under ${ROUNDS} revocations of ${name}`, () =>
        whileBound([bdf], async () => {
          const device = await engine.attach(bdf);
          const tally = await stormWhile(device, words, ROUNDS, (round) =>
            round % 2 === 0 ? throughDecoding(device) : throughLowPower(device),
          );
          expectRight(tally);
          assert.ok(tally.revoked > 0, JSON.stringify(tally));
          assert.equal(device.region(words.regionIndex).revoked, false);
        }));
    }

    for (const [name, bdf, words] of [
      ['nvme', BDF.nvme, NVME_WORDS],
      ['e1000e', BDF.e1000e, E1000E_WORDS],
    ] as const) {
      it(`outlive ${ROUNDS} function resets of ${name} under load`, () =>
        whileBound([bdf], async () => {
          const device = await engine.attach(bdf);
          expectRight(await stormWhile(device, words, ROUNDS, () => device.reset()));
          assert.equal(device.region(words.regionIndex).revoked, false);
        }));
    }

    it(`outlive ${HOT_RESETS} hot resets of a bus under load`, () =>
      whileBound([BDF.bridgedEdu, BDF.bridgedTestdev], async () => {
        const device = await engine.attach(BDF.bridgedEdu);
        await engine.attach(BDF.bridgedTestdev);
        expectRight(await stormWhile(device, EDU_WORDS, HOT_RESETS, () => device.hotReset()));
        assert.equal(device.region(0).revoked, false);
      }));
  });
}

/** Checks what a storm did. */
function expectRight(tally: Tally): void {
  console.log(`      ${tally.accesses} accesses, ${tally.revoked} of them refused`);
  assert.equal(tally.wrong, 0, JSON.stringify(tally));
  assert.equal(tally.closed, 0, JSON.stringify(tally));
}

/** Turns memory decoding off for a moment. */
async function throughDecoding(device: Device): Promise<void> {
  await device.config.setMemoryDecode(false);
  await sleep(2);
  await device.config.setMemoryDecode(true);
}

async function throughLowPower(device: Device): Promise<void> {
  await device.features.enterLowPower();
  await sleep(2);
  await device.features.exitLowPower();
}
