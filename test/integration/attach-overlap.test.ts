import assert from 'node:assert/strict';

import { Engine } from '../../lib/engine/engine.js';
import { IrqVector } from '../../lib/irq/vector.js';
import type { VfioKernel } from '../../lib/kernel/kernel.js';
import { SoftwareMachine } from '../../lib/software/machine/software-machine.js';
import { eventually } from '../support/open-fds.js';

const DEVICE = 'f000:00:04.0';

/** For each call of the kernel, the condition that has to hold before the call ends. The test fails if it never holds. */
type Until = Partial<Record<'openGroup' | 'getDeviceFd' | 'close', () => boolean>>;

/** Counts the vectors that are created and closed, until `restore`. The vector of REQ is the only one in these tests. */
function watchVectors(): { made: number; closed: number; restore: () => void } {
  const create = IrqVector.create.bind(IrqVector);
  const close = Object.getOwnPropertyDescriptor(IrqVector.prototype, 'close') as PropertyDescriptor;
  const restore = (): void => {
    IrqVector.create = create;
    Object.defineProperty(IrqVector.prototype, 'close', close);
  };
  const seen = { made: 0, closed: 0, restore };
  IrqVector.create = (listener) => {
    seen.made += 1;
    return create(listener);
  };
  IrqVector.prototype.close = function (this: IrqVector) {
    seen.closed += 1;
    (close.value as () => void).call(this);
  };
  return seen;
}

describe('an attach while the kernel is busy', () => {
  let machine: SoftwareMachine;
  let engine: Engine;
  let until: Until = {};
  let called: Set<string>;
  let devices: Set<number>;

  function slow(inner: VfioKernel): VfioKernel {
    return new Proxy(inner, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name, target);
        if (typeof value !== 'function' || typeof name !== 'string') return value;
        return (...args: unknown[]): unknown => {
          called.add(name);
          const result: unknown = value.apply(target, args);
          const condition = until[name as keyof Until];
          if (condition === undefined || (name === 'close' && !devices.has(args[0] as number))) return result;
          return eventually(condition, `something beside ${name}`).then(async () => {
            const answer = await (result as Promise<unknown>);
            if (name === 'getDeviceFd') devices.add(answer as number);
            return answer;
          });
        };
      },
    });
  }

  beforeEach(async () => {
    called = new Set();
    devices = new Set();
    machine = new SoftwareMachine();
    await machine.addDevice({ name: DEVICE, model: 'edu' });
    engine = new Engine({ kernels: [slow(machine.process())], backend: 'container' });
    // The first attach starts the workers and the model.
    until = {};
    await (await engine.attach(DEVICE)).detach();
    called.clear();
  });

  afterEach(async () => {
    until = {};
    await engine.close();
    await machine.close();
  });

  it('opens the container while the kernel opens the group', async () => {
    until = { openGroup: () => called.has('checkExtension') };
    await (await engine.attach(DEVICE)).detach();
  });

  it('queries the limits and creates the eventfd of the REQ interrupt while the kernel opens the device', async () => {
    const vectors = watchVectors();
    try {
      until = { getDeviceFd: () => called.has('getIommuInfo') && vectors.made > 0 };
      await (await engine.attach(DEVICE)).detach();
    } finally {
      vectors.restore();
    }
  });

  it('ends the interrupts while the kernel closes the device', async () => {
    until = { getDeviceFd: () => true };
    const device = await engine.attach(DEVICE);
    const vectors = watchVectors();
    try {
      until = { close: () => vectors.closed > 0 };
      await device.detach();
    } finally {
      vectors.restore();
    }
  });

  it('closes the device that was opened while joining the address space failed', async () => {
    until = { getDeviceFd: () => called.has('getIommuInfo') };
    const refused = new Error('no limits');
    const inner = machine.process();
    inner.getIommuInfo = () => {
      throw refused;
    };
    const failing = slow(inner);
    const other = new Engine({ kernels: [failing], backend: 'container' });
    try {
      await assert.rejects(other.attach(DEVICE), refused);
      assert.equal(devices.size, 1);
    } finally {
      await other.close();
    }
    // The device can be attached again: nothing of it is open.
    await (await engine.attach(DEVICE)).detach();
  });
});
