import assert from 'node:assert/strict';

import type { Engine } from '../../../../lib/engine/engine.js';
import { randomOf } from '../../../stress/random.js';
import { IrqCounters, WAYS } from '../../../support/irq-counters.js';
import { BDF } from '../../devices.js';
import { linuxEngine } from '../../support/engine.js';
import { bind, restore } from '../../support/binding.js';

/** More of them take their time: the README has the command. */
const TRIGGERS = Number(process.env.VFIO_ENGINE_IRQS ?? 500);

/** Vectors that one call triggers at most; those between the first and the last that are off are passed by. */
const MOST_AT_ONCE = 8;

for (const backend of ['container', 'iommufd'] as const) {
  describe(`interrupts of nvme by ${backend}, sent and counted`, function () {
    this.timeout(120_000 + TRIGGERS);
    const seed = Date.now() % 1_000_000;
    let engine: Engine;
    before(async () => {
      await bind(BDF.nvme);
      engine = linuxEngine({ backend });
    });
    after(async () => {
      await engine.close();
      await restore(BDF.nvme);
    });

    it(`are the same number while vectors come and go (seed ${seed})`, async () => {
      const random = randomOf(seed);
      const msix = (await engine.attach(BDF.nvme)).irq('msix');
      const counters = new IrqCounters(msix);
      await counters.enable(msix.count - 1, 'handler');
      let sent = 0;
      while (sent < TRIGGERS) {
        const vector = random(0, msix.count - 2);
        // A thread takes a second to start here.
        const way = WAYS[random(0, WAYS.length - 2)] as (typeof WAYS)[number];
        if (counters.on.includes(vector)) await counters.disable(vector);
        else await counters.enable(vector, way);
        for (let calls = random(1, 50); calls > 0; calls--) {
          const { on } = counters;
          const chosen = new Set(
            Array.from({ length: random(1, MOST_AT_ONCE) }, () => on[random(0, on.length - 1)] as number),
          );
          await msix.trigger([...chosen]);
          sent += chosen.size;
        }
      }
      for (const vector of counters.on) await counters.disable(vector);
      assert.equal(counters.total, sent);
    });
  });
}
