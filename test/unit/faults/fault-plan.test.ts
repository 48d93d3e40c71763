import assert from 'node:assert/strict';

import { Engine } from '../../../lib/engine/engine.js';
import type { FaultPlanOptions } from '../../../lib/faults/fault.js';
import { FAULT_KINDS } from '../../../lib/faults/fault.js';
import { FaultPlan } from '../../../lib/faults/fault-plan.js';
import { hasDeviceExtras } from '../../../lib/kernel/device-extras.js';
import { linuxKernel } from '../../../lib/kernel/linux/linux.js';
import { SoftwareMachine } from '../../../lib/software/machine/software-machine.js';

const LIST = FAULT_KINDS.map((kind) => `'${kind}'`);
const KINDS = `${LIST.slice(0, -1).join(', ')} or ${LIST.at(-1)}`;

describe('a fault plan', () => {
  const wrong: [string, unknown, string][] = [
    ['no options', undefined, '`options` must be an object. Received undefined'],
    ['a negative seed', { seed: -1 }, '`seed` must be an integer from 0 to 4294967295. Received -1'],
    ['one fault that is no list', { seed: 1, faults: {} }, '`faults` must be an array. Received an object'],
    ['an unknown kind', { seed: 1, faults: [{ kind: 'x' }] }, `\`faults[0].kind\` must be ${KINDS}. Received 'x'`],
    [
      'a call that no kernel has',
      { seed: 1, faults: [{ kind: 'fail', call: 'toString' }] },
      "`faults[0].call` must be a method of a kernel, 'regionRead', 'regionWrite' or 'interrupt'. Received 'toString'",
    ],
    [
      'number 0',
      { seed: 1, faults: [{ kind: 'fail', at: 0 }] },
      '`faults[0].at` must be an integer of at least 1. Received 0',
    ],
    [
      'an errno that does not exist',
      { seed: 1, faults: [{ kind: 'fail', errno: 'EWRONG' }] },
      "`faults[0].errno` must be the name of an errno. Received 'EWRONG'",
    ],
    [
      'entries of another kind',
      { seed: 1, faults: [{ kind: 'fail', entries: 1 }] },
      "`faults[0].entries` must be left out of faults other than 'dma-limit'. Received 1",
    ],
    ['a rate above 1', { seed: 1, rates: { fail: 2 } }, '`rates.fail` must be a number from 0 to 1. Received 2'],
    [
      'a rate of no kind',
      { seed: 1, rates: { x: 1 } },
      "`rates` must be an object whose keys are kinds of faults. Received 'x'",
    ],
  ];
  for (const [what, options, message] of wrong) {
    it(`rejects ${what}`, () => {
      assert.throws(() => new FaultPlan(options as FaultPlanOptions), { code: 'ERR_INVALID_ARGUMENT', message });
    });
  }

  it('is what the option `faults` of an engine must be', () => {
    const options = { faults: { seed: 1 } as unknown as FaultPlan };
    assert.throws(() => new Engine(options), {
      code: 'ERR_INVALID_ARGUMENT',
      message: '`faults` must be a FaultPlan. Received an object',
    });
  });

  it('wraps a kernel with all that it has, and with nothing else', async () => {
    const plan = new FaultPlan({ seed: 1, faults: [] });
    const linux = plan.wrap(linuxKernel());
    assert.ok(hasDeviceExtras(linux) && 'openIommufd' in linux);
    const machine = new SoftwareMachine();
    const software = plan.wrap(machine.process());
    assert.equal(software.kind, 'software');
    assert.equal(hasDeviceExtras(software), false);
    const container = await software.openContainer();
    assert.equal(software.getApiVersion(container), 0);
    await software.close(container);
    await assert.rejects(software.close(container), { code: 'EBADF' });
    await software.exit();
    await machine.close();
    await plan.close();
    assert.deepEqual(plan.injected, []);
  });

  it('throws where the kernel throws and rejects where it rejects; a close that fails has closed', async () => {
    const plan = new FaultPlan({
      seed: 1,
      faults: [
        { kind: 'fail', call: 'getApiVersion', errno: 'ENOTTY' },
        { kind: 'fail', call: 'openContainer', at: 2, errno: 'EMFILE' },
        { kind: 'fail', call: 'close' },
      ],
    });
    const machine = new SoftwareMachine();
    const kernel = plan.wrap(machine.process());
    const container = await kernel.openContainer();
    assert.throws(() => kernel.getApiVersion(container), { code: 'ENOTTY', syscall: 'ioctl(VFIO_GET_API_VERSION)' });
    await assert.rejects(kernel.openContainer(), { code: 'EMFILE', syscall: 'open' });
    await assert.rejects(kernel.close(container), { code: 'EIO' });
    await assert.rejects(kernel.close(container), { code: 'EBADF' });
    assert.equal(plan.counts.fail, 3);
    await machine.close();
  });

  it('counts the calls of a fault without a name together', async () => {
    const plan = new FaultPlan({ seed: 1, faults: [{ kind: 'fail', at: 2 }] });
    const machine = new SoftwareMachine();
    const kernel = plan.wrap(machine.process());
    const container = await kernel.openContainer();
    assert.throws(() => kernel.getApiVersion(container), { code: 'EIO' });
    assert.equal(kernel.getApiVersion(container), 0);
    await machine.close();
  });
});
