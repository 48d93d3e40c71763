import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';

import type { Device } from '../../lib/device/device.js';
import { Engine } from '../../lib/engine/engine.js';
import { IrqWaiter } from '../../lib/irq/waiter.js';
import type { DeviceIrq } from '../../lib/irq/device-irq.js';
import { SoftwareMachine } from '../../lib/software/machine/software-machine.js';
import { BAR, REG } from '../../lib/models/testdev/layout.js';
import { openDescriptors } from '../support/resources.js';
import type { IrqThreadData } from '../support/irq-thread.js';

/** Counts the eventfds of this process. */
function eventfds(): number {
  return openDescriptors().filter((target) => target.includes('[eventfd]')).length;
}

function isEventfd({ fd }: { readonly fd: number }): boolean {
  return openDescriptors().some((line) => line === `${fd} anon_inode:[eventfd]`);
}

const NAME = 'f000:00:06.0';

describe('interrupts in another thread', function () {
  this.timeout(30_000);
  let machine: SoftwareMachine;
  let engine: Engine;
  let device: Device;
  let msix: DeviceIrq;
  before(async () => {
    machine = new SoftwareMachine();
    await machine.addDevice({ name: NAME, model: 'testdev' });
    engine = new Engine({ machine });
  });
  after(async () => {
    await engine.close();
    await machine.close();
  });
  beforeEach(async () => {
    device = await engine.attach(NAME, { busMaster: true });
    msix = device.irq('msix');
  });
  afterEach(() => device.detach());

  const raise = (vector: number, times = 1): Promise<void> =>
    device.region(BAR.REGISTERS).write32(REG.BURST, ((vector << 16) | times) >>> 0);

  for (const way of ['wait', 'next'] as const) {
    it(`are counted once each by ${way} until the vector is disabled`, async () => {
      await msix.enable({ vectors: [0, 3], delivery: 'eventfd' });
      const counts = new Int32Array(new SharedArrayBuffer(4));
      const workerData: IrqThreadData = { descriptor: msix.descriptor(3), way, counts };
      const thread = new Worker(new URL('../support/irq-thread.js', import.meta.url), { workerData });
      const ended = once(thread, 'exit');
      const told = once(thread, 'message');
      for (let sent = 1; sent <= 50; sent++) {
        await raise(3);
        while (Atomics.load(counts, 0) < sent) await new Promise((resolve) => setImmediate(resolve));
        assert.equal(Atomics.load(counts, 0), sent);
      }
      await raise(3, 1000);
      await msix.disable([3]);
      assert.deepEqual(await told, ['ERR_CLOSED']);
      // Interrupts that arrived before the vector was disabled are not lost.
      assert.equal(Atomics.load(counts, 0), 1050);
      await ended;
    });
  }

  it('are waited for no longer than the timeout', async () => {
    await msix.enable({ delivery: 'eventfd' });
    const waiter = new IrqWaiter(msix.descriptor());
    assert.throws(() => waiter.wait({ timeoutMs: 20 }), { code: 'ERR_TIMEOUT' });
    assert.throws(() => waiter.wait({ timeoutMs: 0, spinMicroseconds: 0 }), { code: 'ERR_TIMEOUT' });
    await assert.rejects(waiter.next({ timeoutMs: 20 }), { code: 'ERR_TIMEOUT' });
    await raise(0, 7);
    assert.equal(waiter.wait({ timeoutMs: 5000 }), 7);
    await raise(0, 2);
    assert.equal(waiter.take(), 2);
    assert.equal(waiter.take(), 0);
    assert.throws(() => waiter.wait({ spinMicroseconds: 5000 }), { code: 'ERR_INVALID_ARGUMENT' });
    waiter.close();
    waiter.close();
  });

  it('belong to a waiter that closes its file descriptor', async () => {
    await msix.enable({ delivery: 'eventfd' });
    const before = openDescriptors().length;
    const waiter = new IrqWaiter(msix.descriptor());
    assert.equal(openDescriptors().length, before + 1);
    waiter.close();
    assert.equal(openDescriptors().length, before);
  });

  it('belong to the thread of a driver function, and are closed with it, however it ends', async function () {
    this.timeout(120_000);
    await msix.enable({ delivery: 'eventfd' });
    const holds = new URL('./drivers/holds-waiter.js', import.meta.url);
    const before = eventfds();
    for (let round = 0; round < 30; round++) {
      const stop = new AbortController();
      const flag = new Int32Array(new SharedArrayBuffer(4));
      const args = { descriptor: msix.descriptor(), flag, watch: round % 2 === 0 };
      const run = device.runDriver(holds, { args, signal: stop.signal });
      const aborted = assert.rejects(run, { code: 'ERR_ABORTED' });
      while (Atomics.load(flag, 0) === 0) await new Promise((resolve) => setTimeout(resolve, 1));
      stop.abort();
      await aborted;
    }
    assert.ok(eventfds() <= before + 2, `${eventfds() - before} eventfds are left`);
  });

  it('are closed with the device if no waiter took them, and taken by one waiter alone', async () => {
    await msix.enable({ delivery: 'eventfd' });
    const [kept, late, ...lent] = Array.from({ length: 10 }, () => msix.descriptor());
    const waiter = new IrqWaiter(kept!);
    assert.throws(() => new IrqWaiter(kept!), { code: 'ERR_CLOSED' });
    await raise(0, 2);
    await msix.disable();
    // What arrived before is not lost for a thread that begins to wait afterwards.
    const slow = new IrqWaiter(late!);
    assert.equal(waiter.wait() + slow.take(), 2);
    await device.detach();
    assert.deepEqual([kept!, late!].map(isEventfd), [true, true]);
    assert.deepEqual(lent.filter(isEventfd), []);
    assert.throws(() => new IrqWaiter(lent[0]!), { code: 'ERR_CLOSED' });
    waiter.close();
    slow.close();
    assert.deepEqual([kept!, late!].map(isEventfd), [false, false]);
    device = await engine.attach(NAME);
  });

  it('have no descriptor for vectors that are delivered on this thread or disabled', async () => {
    await msix.enable({ vectors: [0] });
    assert.throws(() => msix.descriptor(0), { code: 'ERR_INVALID_ARGUMENT', message: /delivery: 'eventfd'/ });
    assert.throws(() => msix.descriptor(1), { code: 'ERR_CLOSED' });
    assert.throws(() => msix.descriptor(99), { code: 'ERR_INVALID_ARGUMENT' });
  });

  it('are still counted after the vector was disabled if they arrived before', async () => {
    await msix.enable({ delivery: 'eventfd' });
    const waiter = new IrqWaiter(msix.descriptor());
    await raise(0, 3);
    await msix.disable();
    assert.equal(waiter.wait(), 3);
    assert.throws(() => waiter.wait(), { code: 'ERR_CLOSED' });
    await assert.rejects(waiter.next(), { code: 'ERR_CLOSED' });
    waiter.close();
  });

  it('are triggered for several vectors by one call', async () => {
    await msix.enable({ vectors: 4 });
    await msix.trigger([1, 3]);
    assert.deepEqual([await msix.next(1), await msix.next(3)], [1, 1]);
    await assert.rejects(msix.next(2, { timeoutMs: 20 }), { code: 'ERR_TIMEOUT' });
    await assert.rejects(
      Promise.resolve().then(() => msix.trigger([])),
      { code: 'ERR_INVALID_ARGUMENT' },
    );
  });
});
