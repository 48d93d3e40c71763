import assert from 'node:assert/strict';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';

import type { Device } from '../../../../lib/device/device.js';
import type { Engine } from '../../../../lib/engine/engine.js';
import { EDU_IDENT, EDU_REG } from '../../../../lib/models/edu/registers.js';
import { BDF } from '../../devices.js';
import { whileBound } from '../../support/binding.js';
import { linuxEngine } from '../../support/engine.js';
import { sum, type Tally, WordUser } from '../../support/revoked-driver.js';

const DRIVER = new URL('../../support/revoked-driver.js', import.meta.url);
const IVSHMEM_MEMORY = 2;
/** How often the driver goes round, 50 accesses each time, before the next revocation. */
const LOOPS_A_ROUND = 100;
/** The whole proof takes 200, by hand: --env VFIO_ENGINE_REVOCATIONS=200. */
const ROUNDS = Number(process.env['VFIO_ENGINE_REVOCATIONS'] ?? 20);

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

    it(`lose no write under ${ROUNDS} revocations of ivshmem's memory`, () =>
      whileBound([BDF.ivshmem], async () => {
        const device = await engine.attach(BDF.ivshmem);
        const tally = await workWhile(device, IVSHMEM_MEMORY, 0x1000, async (round) => {
          if (round % 2 === 0) await throughDecoding(device);
          else await throughLowPower(device);
        });
        console.log(`      ${tally.accesses} accesses, ${tally.revoked} of them refused`);
        assert.equal(tally.wrong, 0, JSON.stringify(tally));
        assert.ok(tally.accesses > 100 * ROUNDS && tally.revoked > 0, JSON.stringify(tally));
        assert.equal(device.region(IVSHMEM_MEMORY).revoked, false);
      }));

    for (const [name, bdf] of [
      ['nvme', BDF.nvme],
      ['e1000e', BDF.e1000e],
    ] as const) {
      it(`outlive function resets of ${name} under load`, () =>
        whileBound([bdf], async () => {
          const device = await engine.attach(bdf);
          const bar = device.region(0);
          let revoked = 0;
          let stop = false;
          const reading = (async () => {
            while (!stop)
              await bar.read32(0).catch((error: Error & { code?: string }) => {
                assert.equal(error.code, 'ERR_REVOKED');
                revoked += 1;
              });
          })();
          for (let round = 0; round < 5; round += 1) await device.reset();
          stop = true;
          await reading;
          assert.equal(bar.revoked, false, `${revoked} accesses met a revoked mapping`);
          await bar.read32(0);
        }));
    }

    it('come back after a hot reset', () =>
      whileBound([BDF.bridgedEdu, BDF.bridgedTestdev], async () => {
        const device = await engine.attach(BDF.bridgedEdu);
        const other = await engine.attach(BDF.bridgedTestdev).catch(() => undefined);
        const bar = device.region(0);
        for (let round = 0; round < 5; round += 1) {
          await device.hotReset();
          assert.equal(bar.revoked, false);
          assert.equal(await bar.read32(EDU_REG.IDENT), EDU_IDENT);
        }
        await other?.detach();
      }));
  });
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

/** Uses a region from a driver's thread and by the lane, while `revoke` is called again and again. */
async function workWhile(
  device: Device,
  regionIndex: number,
  offset: number,
  revoke: (round: number) => Promise<void>,
): Promise<Tally> {
  const shared = new SharedArrayBuffer(8);
  const control = new Int32Array(shared);
  await device.region(regionIndex).copyFromBuffer(offset, 64, new SharedArrayBuffer(64));
  const running = device.runDriver(DRIVER, { args: { regionIndex, offset }, buffers: { control: shared } });
  const byLane = useByLane(device, regionIndex, offset + 32, control);
  for (let round = 0; round < ROUNDS; round += 1) {
    await progress(control, LOOPS_A_ROUND);
    await revoke(round);
  }
  Atomics.store(control, 0, 1);
  return sum((await running) as Tally, await byLane);
}

/** Waits until the driver has gone round some more times. */
async function progress(control: Int32Array, loops: number): Promise<void> {
  const until = Atomics.load(control, 1) + loops;
  const deadline = performance.now() + 30_000;
  while (Atomics.load(control, 1) < until) {
    assert.ok(performance.now() < deadline, 'the driver makes no progress');
    await sleep(1);
  }
}

/** Uses a word by the asynchronous way. */
async function useByLane(device: Device, regionIndex: number, offset: number, control: Int32Array): Promise<Tally> {
  const region = device.region(regionIndex);
  const user = new WordUser(offset);
  while (Atomics.load(control, 0) === 0) {
    await user.useLater({
      read: (at) => region.read32(at),
      write: (at, value) => region.write32(at, value),
    });
  }
  return user.tally;
}
