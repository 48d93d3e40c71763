import assert from 'node:assert/strict';

import { PCI_COMMAND, PCI_COMMAND_MASTER } from '../../lib/uapi/pci.js';
import type { Device } from '../../lib/device/device.js';
import { Engine } from '../../lib/engine/engine.js';
import { SoftwareMachine } from '../../lib/software/machine/software-machine.js';
import { VFIO_PCI_MSIX_IRQ_INDEX } from '../../lib/uapi/vfio.js';
import { holdingKernel, type HoldingKernel } from '../support/held-calls.js';
import { reusingKernel } from '../support/reusing-kernel.js';

const FIRST = 'f000:00:04.0';
const SECOND = 'f000:00:05.0';
const CLOSED = { code: 'ERR_CLOSED' };

describe('an object of a device that was detached', () => {
  let machine: SoftwareMachine;
  let engine: Engine;
  let slow: HoldingKernel;

  beforeEach(async () => {
    machine = new SoftwareMachine();
    await machine.addDevice({ name: FIRST, group: 0, model: 'testdev' });
    await machine.addDevice({ name: SECOND, group: 1, model: 'testdev' });
    slow = holdingKernel(machine.process());
    engine = new Engine({ kernels: [reusingKernel(slow.kernel)], backend: 'container' });
  });

  afterEach(async () => {
    await engine.close();
    await machine.close();
  });

  function partsOf(device: Device): Record<string, () => unknown> {
    const { config, features } = device;
    const irq = device.irq(VFIO_PCI_MSIX_IRQ_INDEX);
    return {
      'config.read32': () => config.read32(0),
      'config.write16': () => config.write16(PCI_COMMAND, 0),
      'config.setBusMaster': () => config.setBusMaster(true),
      'config.header': () => config.header(),
      'irq.enable': () => irq.enable(),
      'irq.disable': () => irq.disable(),
      'irq.trigger': () => irq.trigger(),
      'irq.mask': () => irq.mask(),
      'irq.unmask': () => irq.unmask(),
      'irq.unmaskBy': () => irq.unmaskBy(-1),
      'irq.next': () => irq.next(),
      'features.has': () => features.has(1),
      'features.get': () => features.get(1, new Uint8Array(4)),
      'features.enterLowPower': () => features.enterLowPower(),
      'features.exitLowPower': () => features.exitLowPower(),
      reset: () => device.reset(),
      hotReset: () => device.hotReset(),
    };
  }

  it('does not access another device that got the same file descriptor', async () => {
    const gone = await engine.attach(FIRST);
    const parts = partsOf(gone);
    await gone.detach();
    const there = await engine.attach(SECOND);
    slow.calls = [];
    for (const [name, call] of Object.entries(parts)) {
      await assert.rejects(() => Promise.resolve().then(call), { ...CLOSED, device: FIRST }, name);
    }
    assert.deepEqual(slow.calls, []);
    assert.equal((await there.config.read16(PCI_COMMAND)) & PCI_COMMAND_MASTER, 0);
  });

  it('rejects calls as soon as detaching begins', async () => {
    const device = await engine.attach(FIRST);
    const parts = partsOf(device);
    const closing = slow.hold('close');
    const detaching = device.detach();
    await closing.begun;
    for (const [name, call] of Object.entries(parts))
      await assert.rejects(() => Promise.resolve().then(call), CLOSED, name);
    closing.release();
    await detaching;
  });

  for (const [what, call, begin] of [
    ['an interrupt', 'setIrqs', (device: Device) => device.irq('msix').enable()],
    ['a reset', 'resetDevice', (device: Device) => device.reset()],
    ['a read of config space', 'pread', (device: Device) => device.config.read32(0)],
    ['a change of the command register', 'pread', (device: Device) => device.config.setBusMaster(true)],
  ] as const) {
    it(`keeps the descriptor open while ${what} is under way`, async () => {
      const device = await engine.attach(FIRST);
      const held = slow.hold(call);
      const underWay = begin(device);
      await held.begun;
      slow.calls = [];
      const detaching = device.detach();
      await new Promise(setImmediate);
      assert.ok(!slow.calls.includes('close'), slow.calls.join());
      held.release();
      await Promise.all([underWay, detaching]);
      assert.ok(slow.calls.includes('close'));
      if (what.startsWith('a change')) assert.ok(slow.calls.indexOf('pwrite') < slow.calls.indexOf('close'));
    });
  }

  it('finishes calls that have begun, and rejects queued ones', async () => {
    const device = await engine.attach(FIRST);
    const irq = device.irq(VFIO_PCI_MSIX_IRQ_INDEX);
    const held = slow.hold('setIrqs');
    const enabling = [0, 1, 2].map((vector) => irq.enable({ vectors: [vector] }));
    const detaching = device.detach();
    await held.begun;
    held.release();
    const [first, ...queued] = await Promise.allSettled(enabling);
    assert.equal(first?.status, 'fulfilled');
    for (const end of queued)
      assert.equal(end.status === 'rejected' && (end.reason as { code: string }).code, 'ERR_CLOSED');
    await detaching;
    assert.deepEqual(irq.enabled, []);
  });

  it('does not delay detaching after a call that failed at once', async () => {
    const inner = machine.process();
    inner.setIrqs = () => {
      throw new TypeError('made to fail');
    };
    const failing = new Engine({ kernels: [inner], backend: 'container' });
    const device = await failing.attach(FIRST, { onRequest: 'ignore' });
    await assert.rejects(device.irq('msix').enable(), TypeError);
    await device.detach();
    await failing.close();
  });
});
