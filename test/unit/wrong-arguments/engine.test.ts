import assert from 'node:assert/strict';
import { Engine } from '../../../lib/engine/engine.js';
import { SoftwareMachine } from '../../../lib/software/machine/software-machine.js';
import { refuses } from '../../support/wrong-arguments.js';

const EDU = 'f000:00:04.0';

describe('arguments that plain JavaScript gets wrong', () => {
  describe('of a new engine', () => {
    refuses(
      () => ({ make: (options: never) => new Engine(options) }),
      [
        ['null', 'make', [null], '`options` must be an object. Received null'],
        ['one kernel', 'make', [{ kernels: {} }], '`kernels` must be an array. Received an object'],
        [
          'an object for a machine',
          'make',
          [{ machine: {} }],
          '`machine` must be a SoftwareMachine. Received an object',
        ],
        ['a number for a pool', 'make', [{ pool: 2 }], '`pool` must be an object. Received 2'],
        [
          'a backend that there is not',
          'make',
          [{ backend: 'uio' }],
          "`backend` must be 'auto', 'container' or 'iommufd'. Received 'uio'",
        ],
      ],
    );
  });

  describe('of an engine', () => {
    const machine = new SoftwareMachine();
    const engine = new Engine({ machine });
    before(() => machine.addDevice({ name: EDU, group: 0, model: 'edu' }));
    after(async () => {
      await engine.close();
      await machine.close();
    });
    afterEach(() => assert.deepEqual(engine.devices, []));
    refuses(
      () => engine,
      [
        ['no name', 'attach', [], '`name` must be a string. Received undefined'],
        ['a number for a name', 'attach', [5], '`name` must be a string. Received 5'],
        ['a symbol for a name', 'attach', [Symbol('x')], '`name` must be a string. Received a symbol'],
        ['options that are null', 'attach', [EDU, null], '`options` must be an object. Received null'],
        ['options that are a number', 'attach', [EDU, 5], '`options` must be an object. Received 5'],
        ['an object for a space', 'attach', [EDU, { dma: {} }], '`dma` must be a DmaSpace. Received an object'],
        ['null for a space', 'attach', [EDU, { dma: null }], '`dma` must be a DmaSpace. Received null'],
        ['a number for a space', 'attach', [EDU, { dma: 5 }], '`dma` must be a DmaSpace. Received 5'],
        [
          'one index to trap',
          'attach',
          [EDU, { trap: 5 }],
          '`trap` must be true, false or an array of region indexes. Received 5',
        ],
        [
          'null to trap',
          'attach',
          [EDU, { trap: null }],
          '`trap` must be true, false or an array of region indexes. Received null',
        ],
        [
          'an object to trap',
          'attach',
          [EDU, { trap: {} }],
          '`trap` must be true, false or an array of region indexes. Received an object',
        ],
        [
          'a text to trap',
          'attach',
          [EDU, { trap: 'x' }],
          "`trap` must be true, false or an array of region indexes. Received 'x'",
        ],
        [
          'a text to trap, in a list',
          'attach',
          [EDU, { trap: ['0'] }],
          "`trap[0]` must be an integer of at least 0. Received '0'",
        ],
        ['ids that are null', 'attach', [EDU, { ids: null }], '`ids` must be an object. Received null'],
        ['ids that are a number', 'attach', [EDU, { ids: 5 }], '`ids` must be an object. Received 5'],
        [
          'an id of 17 bits',
          'attach',
          [EDU, { ids: { vendorId: 0x10000 } }],
          /^`vendorId` must be an integer from 0 to 65535\. Received 65536$/,
        ],
        [
          'a word for a request',
          'attach',
          [EDU, { onRequest: 'keep' }],
          "`onRequest` must be 'detach', 'ignore' or a function. Received 'keep'",
        ],
        [
          'null for a request',
          'attach',
          [EDU, { onRequest: null }],
          "`onRequest` must be 'detach', 'ignore' or a function. Received null",
        ],
        [
          'a backend that there is not',
          'attach',
          [EDU, { backend: 'uio' }],
          "`backend` must be 'auto', 'container' or 'iommufd'. Received 'uio'",
        ],
        ['a text for a switch', 'attach', [EDU, { reset: 'no' }], "`reset` must be true or false. Received 'no'"],
        [
          'a text for a switch',
          'attach',
          [EDU, { busMaster: 'yes' }],
          "`busMaster` must be true or false. Received 'yes'",
        ],
        ['nothing', 'detach', [], '`device` must be a Device. Received undefined'],
        ['an object', 'detach', [{}], '`device` must be a Device. Received an object'],
      ],
    );
  });
});
