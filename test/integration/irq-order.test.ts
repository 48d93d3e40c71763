import assert from 'node:assert/strict';

import type { Device } from '../../lib/device/device.js';
import { Engine } from '../../lib/engine/engine.js';
import { SoftwareMachine } from '../../lib/software/machine/software-machine.js';

const NAME = 'f000:00:06.0';

describe('calls on an interrupt', () => {
  let machine: SoftwareMachine;
  let engine: Engine;
  let device: Device;
  before(async () => {
    machine = new SoftwareMachine();
    await machine.addDevice({ name: NAME, model: 'testdev' });
    engine = new Engine({ machine });
    device = await engine.attach(NAME);
  });
  after(async () => {
    await engine.close();
    await machine.close();
  });

  it('run in order: disabling all vectors includes those enabled by earlier calls', async () => {
    const irq = device.irq('msix');
    const enabling = [irq.enable({ vectors: [0] }), irq.enable({ vectors: [1] })];
    await Promise.all([...enabling, irq.disable()]);
    assert.deepEqual(irq.enabled, []);
    await Promise.all([irq.enable({ vectors: [2] }), irq.disable(), irq.enable({ vectors: [3] })]);
    assert.deepEqual(irq.enabled, [3]);
    await irq.disable();
  });
});
