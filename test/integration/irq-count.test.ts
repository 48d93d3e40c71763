import assert from 'node:assert/strict';

import type { Device } from '../../lib/device/device.js';
import { Engine } from '../../lib/engine/engine.js';
import { SoftwareMachine } from '../../lib/software/machine/software-machine.js';
import { BAR, REG } from '../../lib/models/testdev/layout.js';
import { IrqCounters, WAYS } from '../support/irq-counters.js';
import { randomOf } from '../stress/random.js';

const NAME = 'f000:00:06.0';
const MILLION = 1_000_000;
const LEVELS = 2000;

describe('interrupts that are sent and counted', function () {
  this.timeout(120_000);
  const seed = Number(process.env['VFIO_ENGINE_SEED'] ?? Date.now() % 1_000_000);
  let machine: SoftwareMachine;
  let engine: Engine;
  let device: Device;
  before(async () => {
    machine = new SoftwareMachine();
    await machine.addDevice({ name: NAME, model: 'testdev' });
    engine = new Engine({ machine });
    device = await engine.attach(NAME, { busMaster: true });
  });
  after(async () => {
    await engine.close();
    await machine.close();
  });

  it(`are equal in number, for a million, while vectors are enabled and disabled (VFIO_ENGINE_SEED=${seed})`, async () => {
    const random = randomOf(seed);
    const next = (below: number): number => random(0, below - 1);
    const msix = device.irq('msix');
    const counters = new IrqCounters(msix);
    const registers = device.region(BAR.REGISTERS);
    let sent = 0;
    // The last vector keeps all of them allocated: extending a set disables it for a moment, and interrupts are lost.
    await counters.enable(msix.count - 1, 'handler');
    while (sent < MILLION) {
      const { on } = counters;
      const vector = on[next(on.length)] as number;
      const times = 1 + next(20_000);
      sent += times;
      const burst = registers.write32(REG.BURST, ((vector << 16) | times) >>> 0);
      const other = next(msix.count - 1);
      if (!on.includes(other)) await counters.enable(other, WAYS[next(WAYS.length)] as (typeof WAYS)[number]);
      else if (other !== vector) await counters.disable(other);
      await burst;
      if (next(4) === 0 && vector !== msix.count - 1) await counters.disable(vector);
    }
    for (const vector of counters.on) await counters.disable(vector);
    assert.equal(counters.total, sent);
  });

  it(`are equal in number on INTx, masked and not (VFIO_ENGINE_SEED=${seed})`, async () => {
    const random = randomOf(seed);
    const next = (below: number): number => random(0, below - 1);
    const intx = device.irq('intx');
    const registers = device.region(BAR.REGISTERS);
    let [received, told] = [0, (): void => undefined];
    await intx.enable({
      handler: async (_, count) => {
        assert.equal(count, 1);
        await registers.write32(REG.LINE, 0);
        received += count;
        told();
      },
    });
    for (let sent = 1; sent <= LEVELS; sent++) {
      const came = new Promise<void>((resolve) => (told = resolve));
      const masked = next(2) === 0;
      if (masked) await intx.mask();
      await registers.write32(REG.LINE, 1);
      if (masked) {
        if (next(8) === 0) await new Promise((resolve) => setTimeout(resolve, 2));
        assert.equal(received, sent - 1, 'one came through the mask');
        await intx.unmask();
      }
      await came;
      assert.equal(received, sent);
    }
    await intx.disable();
    assert.equal(received, LEVELS);
  });
});
