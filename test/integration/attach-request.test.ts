import assert from 'node:assert/strict';

import type { OnRequest } from '../../lib/device/request-watch.js';
import { Engine } from '../../lib/engine/engine.js';
import type { VfioKernel } from '../../lib/kernel/kernel.js';
import { SoftwareMachine } from '../../lib/software/machine/software-machine.js';
import { VFIO_IRQ_SET_ACTION_TRIGGER, VFIO_IRQ_SET_DATA_NONE, VFIO_PCI_REQ_IRQ_INDEX } from '../../lib/uapi/vfio.js';
import { eventually } from '../support/open-fds.js';

const NAME = 'f000:00:04.0';

/** Makes the kernel ask for the device as soon as REQ is enabled. Enabling it ends when the engine has got the request. */
function askingAtOnce(kernel: VfioKernel, heard: () => boolean): VfioKernel {
  const setIrqs = kernel.setIrqs.bind(kernel);
  kernel.setIrqs = async (device, set) => {
    await setIrqs(device, set);
    if (set.index !== VFIO_PCI_REQ_IRQ_INDEX || set.count === 0) return;
    const flags = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER;
    await setIrqs(device, { index: VFIO_PCI_REQ_IRQ_INDEX, flags, start: 0, count: 1 });
    await eventually(heard, 'the request');
  };
  return kernel;
}

describe('a device that the kernel asks for during its attach', () => {
  let machine: SoftwareMachine;
  beforeEach(async () => {
    machine = new SoftwareMachine();
    await machine.addDevice({ name: NAME, model: 'edu' });
  });
  afterEach(() => machine.close());

  it('is detached, and the attach fails with ENODEV', async () => {
    const inner = machine.process();
    const engine: Engine = new Engine({
      kernels: [askingAtOnce(inner, () => engine.devices.some(({ attached }) => !attached))],
      backend: 'container',
    });
    await assert.rejects(engine.attach(NAME), { code: 'ENODEV', device: NAME, syscall: 'attach' });
    assert.deepEqual(engine.devices, []);
    // The failed attach has closed everything.
    const other = new Engine({ machine });
    await (await other.attach(NAME)).detach();
    await other.close();
    await engine.close();
  });

  it('is attached if a handler of requests is still running', async () => {
    let asked = false;
    let answer = (): void => undefined;
    const onRequest: OnRequest = () => {
      asked = true;
      return new Promise((resolve) => (answer = resolve));
    };
    const engine = new Engine({ kernels: [askingAtOnce(machine.process(), () => asked)], backend: 'container' });
    const device = await engine.attach(NAME, { onRequest });
    assert.ok(device.attached);
    answer();
    await engine.close();
  });
});

describe('an engine whose kernels could not be opened', () => {
  it('opens them again with the next device', async () => {
    const machine = new SoftwareMachine();
    await machine.addDevice({ name: NAME, model: 'edu' });
    const process = machine.process.bind(machine);
    machine.process = () => {
      machine.process = process;
      throw new Error('made to fail');
    };
    const engine = new Engine({ machine });
    await assert.rejects(engine.attach(NAME), /made to fail/);
    await (await engine.attach(NAME)).detach();
    await engine.close();
    await machine.close();
  });
});
