import assert from 'node:assert/strict';
import { bindDriver, restoreDriver } from '../../../lib/sysfs/binding.js';
import { SoftwareMachine } from '../../../lib/software/machine/software-machine.js';
import { listDevices } from '../../../lib/sysfs/inventory.js';
import { refuses } from '../../support/wrong-arguments.js';

const EDU = 'f000:00:04.0';

describe('arguments that plain JavaScript gets wrong', () => {
  describe('of binding a driver', () => {
    const machine = new SoftwareMachine();
    before(() => machine.addDevice({ name: EDU, group: 0, model: 'edu', driver: 'nvme' }));
    after(() => machine.close());
    // Nothing was begun: the function has the driver that it had.
    afterEach(() => assert.equal(machine.devices.get(EDU)?.driver, 'nvme'));
    const { sysfs } = machine;
    for (const method of ['bindDriver', 'restoreDriver']) {
      refuses(
        () => ({ bindDriver, restoreDriver }),
        [
          [
            'a wait without an end',
            method,
            [EDU, { sysfs, timeoutMs: Infinity }],
            '`timeoutMs` must be a number from 0 to 2147483647. Received Infinity',
          ],
          [
            'a wait that a timer cannot take',
            method,
            [EDU, { sysfs, timeoutMs: 2 ** 31 }],
            '`timeoutMs` must be a number from 0 to 2147483647. Received 2147483648',
          ],
          [
            'a wait of no time',
            method,
            [EDU, { sysfs, timeoutMs: NaN }],
            '`timeoutMs` must be a number from 0 to 2147483647. Received NaN',
          ],
          ['a number for a device', method, [5, { sysfs }], '`device` must be a string. Received 5'],
          ['no device', method, [undefined, { sysfs }], '`device` must be a string. Received undefined'],
          ['options that are null', method, [EDU, null], '`options` must be an object. Received null'],
          [
            'a /sys without calls',
            method,
            [EDU, { sysfs: {} }],
            '`sysfs` must be the `sysfs` of a SoftwareMachine, or left out. Received an object',
          ],
          [
            'a /sys that is null',
            method,
            [EDU, { sysfs: null }],
            '`sysfs` must be the `sysfs` of a SoftwareMachine, or left out. Received null',
          ],
          [
            'a text for a wait',
            method,
            [EDU, { sysfs, timeoutMs: '5' }],
            "`timeoutMs` must be a number from 0 to 2147483647. Received '5'",
          ],
        ],
      );
    }
  });

  describe('of listing devices', () => {
    refuses(
      () => ({ listDevices }),
      [
        ['a number', 'listDevices', [5], /^`sysfs` must be .* Received 5$/],
        ['null', 'listDevices', [null], /^`sysfs` must be .* Received null$/],
        ['an object without methods', 'listDevices', [{}], /^`sysfs` must be .* Received an object$/],
        ['another kernel', 'listDevices', [undefined, 'bsd'], "`kernel` must be 'linux' or 'software'. Received 'bsd'"],
      ],
    );
  });
});
