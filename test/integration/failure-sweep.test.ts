import assert from 'node:assert/strict';

import type { Device } from '../../lib/device/device.js';
import { Engine } from '../../lib/engine/engine.js';
import { VfioError } from '../../lib/base/errors.js';
import { SoftwareMachine } from '../../lib/software/machine/software-machine.js';
import type { ErrnoName } from '../../lib/uapi/errno.js';
import { VFIO_PCI_MSI_IRQ_INDEX } from '../../lib/uapi/vfio.js';
import { type FailingKernel, failingKernel } from '../support/failing-kernel.js';
import { assertNothingLeft, quietResources, type Resources } from '../support/resources.js';

const DEVICES = { edu: 'f000:00:04.0', testdev: 'f000:00:05.0' } as const;
/** Answers that mean different things to an attach: this is the one, try the next, gone, no room, broken. */
const ERRNOS: readonly ErrnoName[] = ['EIO', 'EBUSY', 'ENODEV', 'EINVAL', 'ENOMEM'];
/** More calls than any attach makes: the sweep has gone wrong. */
const MOST_CALLS = 200;

/** Attaches, maps, turns an interrupt on: all that can fail on the way to a working device. */
async function bringUp(engine: Engine, name: string): Promise<Device> {
  const device = await engine.attach(name);
  try {
    await device.dma.allocate(4096);
    if (device.irq(VFIO_PCI_MSI_IRQ_INDEX).count > 0) await device.irq(VFIO_PCI_MSI_IRQ_INDEX).enable();
    return device;
  } catch (error) {
    await device.detach();
    await engine.dma.unmapAll();
    throw error;
  }
}

async function takeDown(engine: Engine, device: Device): Promise<void> {
  await device.detach();
  await engine.dma.unmapAll();
}

/** Calls that every attach makes, and that fail it whatever they answer. */
const NEEDED = {
  container: ['openContainer', 'openGroup', 'setContainer', 'setIommu', 'getDeviceFd', 'getDeviceInfo'],
  iommufd: ['openIommufd', 'allocIoas', 'openCdev', 'bindIommufd', 'attachIommufdPt', 'mapIoas', 'getDeviceInfo'],
} as const;

const CASES = Object.entries(DEVICES).flatMap(([model, name]) =>
  (['container', 'iommufd'] as const).map((backend) => ({ model, name, backend })),
);

for (const { model, name, backend } of CASES) {
  describe(`every step that can fail, with ${model} by ${backend}`, function () {
    this.timeout(120_000);
    let machine: SoftwareMachine;
    let failing: FailingKernel;
    let engine: Engine;
    let settled: Resources;

    before(async () => {
      machine = new SoftwareMachine();
      await machine.addDevice({ name, model });
      failing = failingKernel(machine.process());
      engine = new Engine({ kernels: [failing.kernel], backend });
      // What stays from the first device on: the workers, and the model's thread.
      for (let round = 0; round < 2; round++) await takeDown(engine, await bringUp(engine, name));
      settled = await quietResources();
    });
    after(async () => {
      await engine.close();
      await machine.close();
    });

    async function expectNothingLeft(step: string): Promise<void> {
      await assertNothingLeft(settled, step);
      assert.equal(machine.containerCount, 0, `${step} left a container`);
      await takeDown(engine, await bringUp(engine, name));
    }

    for (const errno of ERRNOS) {
      it(`of attaching answers ${errno}: nothing is left, and the next attach works`, async () => {
        const failed = new Set<string>();
        for (let step = 0; step < MOST_CALLS; step++) {
          failing.arm(step, errno);
          const outcome = await bringUp(engine, name).catch((error: unknown) => error);
          const call = failing.calls[step];
          failing.arm(undefined, errno);
          if (!(outcome instanceof Error)) await takeDown(engine, outcome as Device);
          if (call === undefined) break;
          if (outcome instanceof Error) {
            assert.ok(outcome instanceof VfioError, `${call}: ${String(outcome)}`);
            failed.add(call);
          }
          await expectNothingLeft(`${call}, ${errno}`);
        }
        for (const call of NEEDED[backend]) {
          assert.ok(failed.has(call), `${call} was not among the steps that failed: ${[...failed].join(', ')}`);
        }
      });
    }

    it('of detaching fails: all the rest is given back', async () => {
      for (let step = 0; step < MOST_CALLS; step++) {
        failing.arm(undefined, 'EIO');
        const device = await bringUp(engine, name);
        failing.arm(step, 'EIO');
        const error = await takeDown(engine, device).then(
          () => undefined,
          (reason: unknown) => reason,
        );
        const call = failing.calls[step];
        if (call === undefined) return;
        failing.arm(undefined, 'EIO');
        await engine.dma.unmapAll();
        if (error !== undefined) assert.ok(error instanceof VfioError, `${call} failed with no VfioError`);
        await expectNothingLeft(`${call} while detaching`);
      }
      assert.fail(`detaching made more than ${MOST_CALLS} calls`);
    });
  });
}
