import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

import type { Device } from '../../lib/device/device.js';
import { Engine } from '../../lib/engine/engine.js';
import { BAR, REG } from '../../lib/models/testdev/layout.js';
import { SoftwareMachine } from '../../lib/software/machine/software-machine.js';

const HUNG = 8;
const HANG_MS = 1000;

/** A device whose read takes seconds keeps no thread that another device, or the user, needs. */
describe('devices that hang', function () {
  this.timeout(60_000);
  let machine: SoftwareMachine;
  let engine: Engine;

  before(async () => {
    machine = new SoftwareMachine();
    for (let index = 0; index <= HUNG; index += 1) {
      await machine.addDevice({ name: `f000:00:${(index + 1).toString(16).padStart(2, '0')}.0`, model: 'testdev' });
    }
    engine = new Engine({ machine });
  });
  after(async () => {
    await engine.close();
    await machine.close();
  });

  it('hold up neither the detaching of another device nor fs', async () => {
    const names = Array.from(
      { length: HUNG + 1 },
      (_, index) => `f000:00:${(index + 1).toString(16).padStart(2, '0')}.0`,
    );
    const [innocent, ...hung] = await Promise.all(names.map((name) => engine.attach(name)));
    assert.ok(innocent !== undefined);
    await innocent.region(BAR.REGISTERS).read32(REG.IDENT);
    const reads = await Promise.all(hung.map(hang));
    const begun = performance.now();
    await innocent.detach();
    const detachMs = performance.now() - begun;
    const beforeRead = performance.now();
    await readFile(new URL(import.meta.url));
    const readMs = performance.now() - beforeRead;
    // Either waited for a hung read before, which is what is told apart here.
    assert.ok(detachMs < HANG_MS / 4, `detaching took ${detachMs} ms`);
    assert.ok(readMs < HANG_MS / 4, `reading a file took ${readMs} ms`);
    await Promise.all(reads.map(({ done }) => done));
  });

  /** Begins two accesses that take seconds: one by an I/O worker, one by a thread that makes the kernel's calls. */
  async function hang(device: Device): Promise<{ done: Promise<unknown> }> {
    const registers = device.region(BAR.REGISTERS);
    await registers.write32(REG.DELAY, HANG_MS);
    const slow = registers.read32(REG.SLOW);
    await sleep(5);
    return { done: Promise.all([slow, device.config.read32(0)]) };
  }
});
