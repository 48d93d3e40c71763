import { SoftwareMachine } from '../../../lib/software/machine/software-machine.js';
import { refuses } from '../../support/wrong-arguments.js';

const NAME = 'f001:00:01.0';

describe('wrong arguments of a software machine', () => {
  const create = (...options: ConstructorParameters<typeof SoftwareMachine>): SoftwareMachine =>
    new SoftwareMachine(...options);

  refuses(
    () => ({ create }),
    [
      ['null', 'create', [null], '`options` must be an object. Received null'],
      ['a number as a switch', 'create', [{ iommu: 1 }], '`iommu` must be true or false. Received 1'],
      [
        'a fraction as the limit of mappings',
        'create',
        [{ dmaEntryLimit: 0.5 }],
        '`dmaEntryLimit` must be an integer of at least 0. Received 0.5',
      ],
      [
        'an address width of 65 bits',
        'create',
        [{ addressWidth: 65 }],
        '`addressWidth` must be an integer from 1 to 64. Received 65',
      ],
      ['no page size', 'create', [{ pageSizes: 0n }], '`pageSizes` must be a sum of page sizes. Received 0n'],
      [
        'a reserved range that ends before its start',
        'create',
        [{ reservedRegions: [{ start: 5n, last: 4n, type: 'reserved' }] }],
        '`reservedRegions[0].last` must be at least 5n, its start. Received 4n',
      ],
    ],
  );

  refuses(
    () => new SoftwareMachine(),
    [
      ['null', 'process', [null], '`options` must be an object. Received null'],
      [
        'a negative limit',
        'process',
        [{ memlockLimit: -1 }],
        '`memlockLimit` must be a number from 0 to Infinity. Received -1',
      ],
      ['null', 'addDevice', [null], '`options` must be an object. Received null'],
      ['no name', 'addDevice', [{}], '`name` must be a string. Received undefined'],
      [
        'a negative group',
        'addDevice',
        [{ name: NAME, group: -1 }],
        '`group` must be an integer of at least 0. Received -1',
      ],
      [
        'an unknown placement',
        'addDevice',
        [{ name: NAME, placement: 'fork' }],
        "`placement` must be 'thread' or 'process'. Received 'fork'",
      ],
      ['a number as the driver', 'addDevice', [{ name: NAME, driver: 5 }], '`driver` must be a string. Received 5'],
      [
        'a class of 25 bits',
        'addDevice',
        [{ name: NAME, identity: { vendorId: 1, deviceId: 2, classCode: 0x1000000 } }],
        '`identity.classCode` must be an integer from 0 to 16777215. Received 16777216',
      ],
      ['no name', 'bindDriver', [], '`name` must be a string. Received undefined'],
      ['no driver', 'bindDriver', [NAME], '`driver` must be a string. Received undefined'],
      ['a number as the name', 'unbindDriver', [5], '`name` must be a string. Received 5'],
      ['a number as the name', 'removeDevice', [5], '`name` must be a string. Received 5'],
      ['a null alias', 'setAlias', [null, NAME], '`alias` must be a string. Received null'],
    ],
  );
});
