import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';

import { Engine } from '../../lib/engine/engine.js';
import { FaultPlan } from '../../lib/faults/fault-plan.js';
import { BAR, DMA, REG } from '../../lib/models/testdev/layout.js';
import { SoftwareMachine } from '../../lib/software/machine/software-machine.js';
import { eventually } from '../support/open-fds.js';

const TESTDEV = 'f000:00:05.0';
const LENGTH = DMA.MAX_LENGTH;
/** Much longer than the transfer takes. */
const TRANSFER_MS = 1000;

describe('a testdev that is removed in the middle of a transfer of 16 MiB', function () {
  this.timeout(60_000);
  let machine: SoftwareMachine;
  let engine: Engine;
  before(async () => {
    machine = new SoftwareMachine();
    await machine.addDevice({ name: TESTDEV, model: 'testdev' });
    // The fourth write starts the transfer.
    const faults = new FaultPlan({ seed: 1, faults: [{ kind: 'removal', call: 'regionWrite', at: 4 }] });
    engine = new Engine({ machine, faults });
  });
  after(async () => {
    await engine.close();
    await machine.close();
  });

  it('moves only a part, and its mapped memory reads as all ones', async () => {
    // The engine does not detach it: the removal alone stops the transfer.
    const device = await engine.attach(TESTDEV, { busMaster: true, onRequest: 'ignore' });
    const source = await device.dma.allocate(LENGTH);
    const target = await device.dma.allocate(LENGTH);
    source.bytes.fill(0x5a);
    const memory = device.region(BAR.MEMORY);
    const [view] = memory.areas;
    const registers = device.region(BAR.REGISTERS);
    await registers.write64(REG.DMA_SOURCE, source.iova);
    await registers.write64(REG.DMA_TARGET, target.iova);
    await registers.write32(REG.DMA_LENGTH, LENGTH);
    await registers.write32(REG.DMA_CONTROL, DMA.START);
    await eventually(() => view?.view[0] === 0xff, 'the removal');
    await sleep(TRANSFER_MS);
    assert.notEqual(target.bytes[LENGTH - 1], 0x5a, 'the transfer was complete');
    await device.detach();
    await source.free();
    await target.free();
  });
});
