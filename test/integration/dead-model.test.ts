import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';

import type { RemovalMessage } from '../../lib/base/diagnostics.js';
import type { VfioError } from '../../lib/base/errors.js';
import type { Device } from '../../lib/device/device.js';
import { Engine } from '../../lib/engine/engine.js';
import { IrqWaiter } from '../../lib/irq/waiter.js';
import { BAR, REG } from '../../lib/models/testdev/layout.js';
import { SoftwareMachine } from '../../lib/software/machine/software-machine.js';
import { collectGarbage } from '../support/own-memory.js';
import { assertNothingLeft, quietResources, type Resources } from '../support/resources.js';
import { END, MORTAL_REG } from './mortal-layout.js';

const NAME = 'f000:00:05.0';
const MODEL = new URL('./models/mortal.js', import.meta.url);
/** Longer than the test may take: only the end of the device ends the waits. */
const FOREVER_MS = 60_000;

type Placement = 'thread' | 'process';

/** Makes the model end itself. By the synchronous accessor: a lane keeps its order, and a wait may be before it. */
const write =
  (value: number) =>
  (device: Device): void => {
    try {
      device.region(BAR.REGISTERS).accessor.write32(MORTAL_REG.END, value);
    } catch (error) {
      // The exit comes inside the write, which has no answer then.
      expectGone(error as VfioError);
    }
  };

function kill(device: Device): void {
  const pid = device.region(BAR.REGISTERS).accessor.read32(MORTAL_REG.PID);
  assert.ok(pid > 1 && pid !== process.pid, `the model's pid is ${pid}`);
  process.kill(pid, 'SIGKILL');
}

/** What an access or a wait may fail with: the device is gone, and soon detached. */
function expectGone(error: VfioError): void {
  assert.ok(['ENODEV', 'ERR_CLOSED'].includes(error.code), String(error));
}

const DEATHS: readonly [title: string, placement: Placement, end: (device: Device) => void, why: RegExp][] = [
  ['the process of its model is killed', 'process', kill, /ended by SIGKILL/],
  ['the process of its model exits', 'process', write(END.EXIT), /exited with code 3/],
  ['the process of its model throws', 'process', write(END.THROW), /exited with code 1/],
  ['the thread of its model exits', 'thread', write(END.EXIT), /exited with code 3/],
  ['the thread of its model throws', 'thread', write(END.THROW), /the model is mortal/],
];

for (const [title, placement, end, why] of DEATHS) {
  describe(`a device, when ${title}`, function () {
    this.timeout(30_000);
    let machine: SoftwareMachine;
    let engine: Engine;
    let device: Device;
    let settled: Resources;
    before(async () => {
      machine = new SoftwareMachine();
      await machine.addDevice({ name: NAME, model: MODEL, placement });
      engine = new Engine({ machine });
      // The first revoked mapping makes some that stay.
      device = await engine.attach(NAME);
      assert.equal(device.region(BAR.MEMORY).areas[0]?.view[0], 0);
      end(device);
      await device.detach();
      await (await engine.attach(NAME)).detach();
      await collectGarbage();
      settled = await quietResources();
    });
    after(async () => {
      await engine.close();
      await machine.close();
    });
    beforeEach(async () => {
      device = await engine.attach(NAME, { busMaster: true });
    });

    it('is detached, and tells why by an event and a channel', async () => {
      const published: RemovalMessage[] = [];
      const listen = (message: unknown): void => void published.push(message as RemovalMessage);
      subscribe('vfio-engine:removed', listen);
      const removed = once(device, 'removed') as Promise<[RemovalMessage]>;
      end(device);
      const [message] = await removed;
      assert.equal(device.attached, false);
      assert.equal(message.device, NAME);
      assert.equal(message.error.code, 'ENODEV');
      assert.match(message.error.message, why);
      await device.detach();
      unsubscribe('vfio-engine:removed', listen);
      assert.deepEqual(published, [message]);
      assert.deepEqual(engine.devices, []);
      assert.throws(
        () => device.region(0),
        (error: VfioError) => error.code === 'ERR_CLOSED' && error.cause === message.error,
      );
    });

    it('ends every wait', async () => {
      const msix = device.irq('msix');
      await msix.enable({ vectors: [0] });
      await msix.enable({ vectors: [1], delivery: 'eventfd' });
      const waiter = new IrqWaiter(msix.descriptor(1));
      const memory = device.region(BAR.MEMORY);
      const never = [0, { width: 4, mask: -1, value: 0x5a }, { timeoutMs: FOREVER_MS }] as const;
      const waits = [
        msix.next(0),
        msix.next(0, { timeoutMs: FOREVER_MS }),
        waiter.next(),
        memory.pollUntil(...never),
        device.region(BAR.REGISTERS).pollUntil(...never),
      ].map((wait) => wait.then(() => assert.fail('a wait was answered'), expectGone));
      const removed = once(device, 'removed');
      end(device);
      await removed;
      await Promise.all(waits);
      waiter.close();
    });

    it('reads as ones through a view, and its memory stays the caller’s', async () => {
      const [area] = device.region(BAR.MEMORY).areas;
      const memory = await device.dma.allocate(4096);
      memory.bytes.fill(7);
      area?.view.fill(0x11);
      end(device);
      await device.detach();
      assert.deepEqual([area?.view[0], area?.view.at(-1)], [0xff, 0xff]);
      assert.equal(memory.bytes[4095], 7);
      await memory.free();
    });

    it('can be attached again: the model starts anew, and nothing stays open', async () => {
      end(device);
      await device.detach();
      const again = await engine.attach(NAME);
      assert.equal(await again.region(BAR.REGISTERS).read32(REG.SCRATCH), 0);
      await again.detach();
      // The mappings of views that no object holds any more.
      await collectGarbage();
      await assertNothingLeft(settled, 'the dead model');
    });
  });
}
