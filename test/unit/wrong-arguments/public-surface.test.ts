import assert from 'node:assert/strict';

import { bindDriver, restoreDriver } from '../../../lib/sysfs/binding.js';
import type { Device } from '../../../lib/device/device.js';
import { DmaSpace } from '../../../lib/dma/dma-space.js';
import { Engine } from '../../../lib/engine/engine.js';
import { IrqWaiter } from '../../../lib/irq/waiter.js';
import { SoftwareMachine } from '../../../lib/software/machine/software-machine.js';
import { listDevices } from '../../../lib/sysfs/inventory.js';
import { addon } from '../../../lib/native/addon.js';
import { VFIO_PCI_MSI_IRQ_INDEX } from '../../../lib/uapi/vfio.js';
import { refuses } from '../../support/wrong-arguments.js';
import { allocateShared } from '../../support/allocate-shared.js';

const PAGE = 4096;
const EDU = 'f000:00:04.0';

describe('arguments that plain JavaScript gets wrong', () => {
  const memory = allocateShared(4 * PAGE);

  describe('of an address space', () => {
    const space = new DmaSpace();
    afterEach(() => assert.equal(space.mappingCount, 0));
    refuses(
      () => space,
      [
        [
          'a number for an IOVA',
          'map',
          [memory, { iova: PAGE }],
          '`iova` must be a bigint from 0n to 2n ** 64n - 1n. Received 4096',
        ],
        [
          'an IOVA below 0',
          'map',
          [memory, { iova: -1n }],
          '`iova` must be a bigint from 0n to 2n ** 64n - 1n. Received -1n',
        ],
        [
          'an IOVA of 65 bits',
          'map',
          [memory, { iova: 1n << 64n }],
          '`iova` must be a bigint from 0n to 2n ** 64n - 1n. Received 18446744073709551616n',
        ],
        [
          'a number for a limit',
          'map',
          [memory, { limit: 0xffffffff }],
          '`limit` must be a bigint from 0n to 2n ** 64n - 1n. Received 4294967295',
        ],
        [
          'an alignment that is no whole number',
          'map',
          [memory, { alignment: 4096.5 }],
          '`alignment` must be an integer of at least 4096. Received 4096.5',
        ],
        [
          'a bigint for an alignment',
          'map',
          [memory, { alignment: 4096n }],
          '`alignment` must be an integer of at least 4096. Received 4096n',
        ],
        ['an alignment that is no power of two', 'map', [memory, { alignment: 3 * PAGE }], /power of two/],
        [
          'an access that there is not',
          'map',
          [memory, { access: 'rw' }],
          "`access` must be 'read', 'write' or 'readwrite'. Received 'rw'",
        ],
        [
          'a text for a piece',
          'map',
          [memory, { chunkSize: '4096' }],
          "`chunkSize` must be a multiple of the page size, 4096, above 0. Received '4096'",
        ],
        ['a text for a truth', 'map', [memory, { below4G: 'yes' }], "`below4G` must be true or false. Received 'yes'"],
        [
          'a number for a truth',
          'map',
          [memory, { surroundings: 1 }],
          '`surroundings` must be true or false. Received 1',
        ],
        [
          'what is no signal',
          'map',
          [memory, { signal: { aborted: true } }],
          '`signal` must be an AbortSignal. Received an object',
        ],
        ['what is no function', 'map', [memory, { onProgress: 1 }], '`onProgress` must be a function. Received 1'],
        [
          'what has memory, as a WebAssembly.Memory has',
          'map',
          [{ buffer: memory }],
          '`memory` must be a SharedArrayBuffer, an ArrayBuffer or a view (of a WebAssembly.Memory, its `buffer`). Received an object',
        ],
        [
          'no memory',
          'map',
          [undefined],
          '`memory` must be a SharedArrayBuffer, an ArrayBuffer or a view (of a WebAssembly.Memory, its `buffer`). Received undefined',
        ],
        [
          'null',
          'map',
          [null],
          '`memory` must be a SharedArrayBuffer, an ArrayBuffer or a view (of a WebAssembly.Memory, its `buffer`). Received null',
        ],
        ['one memory for a list', 'mapList', [memory], '`memories` must be an array. Received an object'],
        [
          'a list with a number',
          'mapList',
          [[memory, 1]],
          '`memories[1]` must be a SharedArrayBuffer, an ArrayBuffer or a view (of a WebAssembly.Memory, its `buffer`). Received 1',
        ],
        [
          'a bigint for a piece',
          'mapPieces',
          [memory, [0], 4096n],
          '`pieceSize` must be an integer of at least 4096. Received 4096n',
        ],
        ['no offsets', 'mapPieces', [memory, null, PAGE], '`offsets` must be an array of numbers. Received null'],
        ['a number for offsets', 'mapPieces', [memory, 1, PAGE], '`offsets` must be an array of numbers. Received 1'],
        [
          'bigints for offsets',
          'mapPieces',
          [memory, [0n], PAGE],
          '`offsets` must be an array of numbers. Received an array',
        ],
        [
          'texts for offsets',
          'mapPieces',
          [memory, ['0'], PAGE],
          '`offsets` must be an array of numbers. Received an array',
        ],
        [
          'bigints for offsets',
          'mapPieces',
          [memory, new BigUint64Array(1), PAGE],
          '`offsets` must be an array of numbers. Received an object',
        ],
        [
          'what has a length alone',
          'mapPieces',
          [memory, { length: 1 }, PAGE],
          '`offsets` must be an array of numbers. Received an object',
        ],
        [
          'an empty list of offsets',
          'mapPieces',
          [memory, [], PAGE],
          '`offsets` must have at least one element. Received none',
        ],
        ['options that are null', 'map', [memory, null], '`options` must be an object. Received null'],
        ['options that are null', 'allocate', [PAGE, null], '`options` must be an object. Received null'],
        ['options that are a number', 'mapPieces', [memory, [0], PAGE, 1], '`options` must be an object. Received 1'],
        ['options that are null', 'mapList', [[memory], null], '`options` must be an object. Received null'],
        ['no options', 'addBank', [], '`options` must be an object. Received undefined'],
        [
          'a bank without an address',
          'addBank',
          [{ memory }],
          '`gpa` must be a bigint from 0n to 2n ** 64n - 1n. Received undefined',
        ],
        [
          'a bank without memory',
          'addBank',
          [{ gpa: 0n }],
          '`memory` must be a SharedArrayBuffer, an ArrayBuffer or a view (of a WebAssembly.Memory, its `buffer`). Received undefined',
        ],
        ['no options', 'createPool', [], '`options` must be an object. Received undefined'],
        ['a bigint for an alignment', 'createPool', [{ bufferSize: 64, count: 1, bufferAlignment: 64n }], /64n?\b/],
        [
          'prefault that is a number',
          'allocate',
          [PAGE, { prefault: 1 }],
          '`prefault` must be true or false. Received 1',
        ],
        [
          'guards that are null',
          'allocate',
          [PAGE, { guardPages: null }],
          '`guardPages` must be true or false. Received null',
        ],
        ['a node that is far out', 'allocate', [PAGE, { node: 2 ** 40 }], /node/],
        [
          'NaN for an offset',
          'mapPieces',
          [memory, [NaN], PAGE],
          '`offsets[0]` must be a multiple of the page size, 4096, with room for a piece of 4096 bytes in a memory of 16384 bytes. Received NaN',
        ],
        [
          'a number for an IOVA',
          'mapPieces',
          [memory, [0], PAGE, { iova: PAGE }],
          '`iova` must be a bigint from 0n to 2n ** 64n - 1n. Received 4096',
        ],
        [
          'a number for an address',
          'addBank',
          [{ gpa: 0, memory }],
          '`gpa` must be a bigint from 0n to 2n ** 64n - 1n. Received 0',
        ],
        ['a number for an address', 'removeBank', [0], '`gpa` must be a bigint from 0n to 2n ** 64n - 1n. Received 0'],
        ['a bigint for a size', 'allocate', [4096n], /4096/],
        [
          'a kind that there is not',
          'allocate',
          [PAGE, { kind: 'hugepage' }],
          "`kind` must be 'anonymous', 'memfd' or 'hugepages'. Received 'hugepage'",
        ],
        [
          'a fallback that there is not',
          'allocate',
          [PAGE, { kind: 'hugepages', fallback: 'x' }],
          "`fallback` must be 'memfd' or 'error'. Received 'x'",
        ],
      ],
    );
  });

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

  describe('of a device', () => {
    let machine: SoftwareMachine;
    let engine: Engine;
    let device: Device;
    before(async () => {
      machine = new SoftwareMachine();
      await machine.addDevice({ name: EDU, group: 0, model: 'edu' });
      engine = new Engine({ machine });
      device = await engine.attach(EDU);
    });
    after(async () => {
      await engine.close();
      await machine.close();
    });

    describe('whose writes are tracked', () => {
      before(() => engine.dma.startDirtyTracking());
      after(() => engine.dma.stopDirtyTracking());
      refuses(
        () => engine.dma,
        [
          ['numbers', 'takeDirtyPages', [0, PAGE], '`iova` must be a bigint from 0n to 2n ** 64n - 1n. Received 0'],
          [
            'pages of no bytes',
            'takeDirtyPages',
            [0n, 4096n, 0n],
            '`pageSize` must be a power of two of at least 4096n, of `dirtyPageSizes`. Received 0n',
          ],
          [
            'pages of 3 KiB',
            'takeDirtyPages',
            [0n, 4096n, 3072n],
            '`pageSize` must be a power of two of at least 4096n, of `dirtyPageSizes`. Received 3072n',
          ],
          [
            'all there is',
            'takeDirtyPages',
            [0n, 1n << 63n],
            'a range of 2251799813685248 pages is too large for one call; the most is 2147483647',
          ],
        ],
      );
    });

    refuses(
      () => device,
      [
        ['no region', 'region', [], /^`regionIndex` must be a region of f000:00:04\.0: 0, 7\. Received undefined$/],
        ['the name of a property', 'region', ['length'], /^`regionIndex` must be .*Received 'length'$/],
        ['a region that the device does not have', 'region', [3], /^`regionIndex` must be .*Received 3$/],
        ['a name that no interrupt has', 'irq', ['msi-x'], /^`which` must be 'intx', .* or 'req'\. Received 'msi-x'$/],
        ['a symbol', 'irq', [Symbol('x')], /^`which` must be .*Received a symbol$/],
        ['an index beyond the last', 'irq', [5], /^`which` must be an interrupt of .*less than 5\. Received 5$/],
        ['no module', 'runDriver', [], /^`module` must be a URL\. Received undefined$/],
        ['a text for a module', 'runDriver', ['./driver.js'], /^`module` must be a URL/],
        ['options that are null', 'runDriver', [new URL('file:///x.js'), null], /^`options` must be an object/],
        ['an array of buffers', 'runDriver', [new URL('file:///x.js'), { buffers: 5 }], /^`buffers` must be an object/],
        [
          'a buffer of one thread',
          'runDriver',
          [new URL('file:///x.js'), { buffers: { ring: new ArrayBuffer(8) } }],
          /^`buffers\.ring` must be a SharedArrayBuffer\. Received an object$/,
        ],
      ],
    );
    refuses(
      () => device.features,
      [
        ['no feature', 'has', [], /^`feature` must be an integer from 0 to 65535\. Received undefined$/],
        ['a way that there is not', 'has', [3, 1], /^`ways` must be VFIO_DEVICE_FEATURE_GET.*Received 1$/],
        ['no payload', 'get', [3], /^`payload` must be a Uint8Array\. Received undefined$/],
        ['an array for a payload', 'set', [3, [1]], /^`payload` must be a Uint8Array\. Received an array$/],
        ['null', 'enterLowPower', [null], /^`options` must be an object\. Received null$/],
        ['a text for an eventfd', 'enterLowPower', [{ wakeup: '5' }], /^`wakeup` must be a file descriptor/],
      ],
    );
    refuses(
      () => device.config,
      [
        ['no offset', 'read32', [], /^`offset` must be an integer\. Received undefined$/],
        ['a bigint for an offset', 'read', [4n, 4], /^`offset` must be an integer\. Received 4n$/],
        ['half a length', 'read', [0, 1.5], /^`length` must be an integer\. Received 1\.5$/],
        ['an array for data', 'write', [0x40, [1]], /^`data` must be a Uint8Array\. Received an array$/],
        ['no value', 'write16', [0x40], /^`value` must be an integer\. Received undefined$/],
        ['a number for a switch', 'setBusMaster', [1], /^`enabled` must be true or false\. Received 1$/],
        ['no field', 'emulate', [], /^`field` must be an object\. Received undefined$/],
        ['3 bytes', 'emulate', [{ offset: 0x40, width: 3, value: 0 }], /^`width` must be 1, 2 or 4\. Received 3$/],
        [
          'a field outside of config space',
          'emulate',
          [{ offset: 255, width: 2, value: 0 }],
          /^`offset` must be an integer from 0 to 254\. Received 255$/,
        ],
        ['a value of 9 bits', 'emulate', [{ offset: 0x40, width: 1, value: 256 }], /^`value` must be .*to 255\./],
        ['ids that are null', 'overrideIds', [null], /^`ids` must be an object\. Received null$/],
      ],
    );

    describe('whose interrupts', () => {
      const waiter = new IrqWaiter({ fd: addon.eventfdCreate(), off: new Int32Array(new SharedArrayBuffer(4)) });
      after(() => waiter.close());
      afterEach(() => assert.deepEqual(device.irq(VFIO_PCI_MSI_IRQ_INDEX).enabled, []));
      refuses(
        () => device.irq(VFIO_PCI_MSI_IRQ_INDEX),
        [
          [
            'half a vector',
            'enable',
            [{ vectors: 0.5 }],
            /^`vectors` must be an integer of at least 1, or an array of vectors\. Received 0\.5$/,
          ],
          [
            'more than there can be',
            'enable',
            [{ vectors: 1e10 }],
            /^`vectors` must be at most 1, the vectors of the device\. Received 10000000000$/,
          ],
          ['no vector', 'enable', [{ vectors: [] }], /^`vectors` must not be empty$/],
          [
            'a text',
            'enable',
            [{ vectors: '1' }],
            /^`vectors` must be an integer of at least 1, or an array of vectors\. Received '1'$/,
          ],
          [
            'a text in a list',
            'enable',
            [{ vectors: ['0'] }],
            /^`vector` must be an integer less than 1.*Received '0'$/,
          ],
          [
            'a delivery that there is not',
            'enable',
            [{ delivery: 'worker' }],
            "`delivery` must be 'main' or 'eventfd'. Received 'worker'",
          ],
          ['what is no handler', 'enable', [{ handler: {} }], '`handler` must be a function. Received an object'],
          [
            'counts without room',
            'enable',
            [{ counts: new Int32Array(0) }],
            /^`counts` must be an Int32Array of at least 1 elements.*Received 0 elements$/,
          ],
          [
            'counts of other numbers',
            'enable',
            [{ counts: new Float64Array(4) }],
            /^`counts` must be an Int32Array\. Received an object$/,
          ],
          ['eventfds that are no map', 'enable', [{ eventfds: [1] }], /^`eventfds` must be a Map .*Received an array$/],
          ['no vector', 'trigger', [[]], /^`vector` must not be an empty array$/],
          ['options that are null', 'enable', [null], '`options` must be an object. Received null'],
          ['options that are a number', 'enable', [5], '`options` must be an object. Received 5'],
          [
            'a text for a descriptor',
            'enable',
            [{ eventfds: new Map([[0, 'x']]) }],
            "`eventfds.get(0)` must be a file descriptor. Received 'x'",
          ],
          [
            'a descriptor below 0',
            'enable',
            [{ eventfds: new Map([[0, -1]]) }],
            '`eventfds.get(0)` must be a file descriptor. Received -1',
          ],
          [
            'NaN for a descriptor',
            'enable',
            [{ eventfds: new Map([[0, NaN]]) }],
            '`eventfds.get(0)` must be a file descriptor. Received NaN',
          ],
          [
            'no descriptor',
            'enable',
            [{ eventfds: new Map([[0, null]]) }],
            '`eventfds.get(0)` must be a file descriptor. Received null',
          ],
          [
            'a text for a vector',
            'enable',
            [{ eventfds: new Map([['0', 5]]) }],
            "`eventfds` must be a Map whose keys are vectors, integers of at least 0. Received '0'",
          ],
          ['a number', 'disable', [5], '`vectors` must be an array. Received 5'],
          ['null', 'disable', [null], '`vectors` must be an array. Received null'],
          ['an object', 'disable', [{}], '`vectors` must be an array. Received an object'],
          ['a text', 'disable', ['x'], "`vectors` must be an array. Received 'x'"],
          ['a text in a list', 'disable', [['0']], /^`vector` must be an integer less than 1.*Received '0'$/],
          ['a text', 'trigger', ['0'], /^`vector` must be an integer less than 1.*Received '0'$/],
          ['null', 'trigger', [null], /^`vector` must be an integer less than 1.*Received null$/],
          ['an object', 'trigger', [{}], /^`vector` must be an integer less than 1.*Received an object$/],
          ['a bigint', 'trigger', [1n], /^`vector` must be an integer less than 1.*Received 1n$/],
          ['a bigint', 'unmaskBy', [5n], '`eventfd` must be a file descriptor, or -1 for none. Received 5n'],
          ['a text', 'unmaskBy', ['x'], "`eventfd` must be a file descriptor, or -1 for none. Received 'x'"],
          ['nothing', 'unmaskBy', [], '`eventfd` must be a file descriptor, or -1 for none. Received undefined'],
          [
            'less than no descriptor',
            'unmaskBy',
            [-2],
            '`eventfd` must be a file descriptor, or -1 for none. Received -2',
          ],
          ['options that are null', 'next', [0, null], '`options` must be an object. Received null'],
          [
            'a text for a time',
            'next',
            [0, { timeoutMs: 'x' }],
            "`timeoutMs` must be a number from 0 to 2147483647. Received 'x'",
          ],
          ['a text', 'setRef', ['x'], /^`ref` must be true or false\. Received 'x'$/],
          ['nothing', 'setRef', [], /^`ref` must be true or false\. Received undefined$/],
        ],
      );
      refuses(
        () => ({ make: (descriptor: never) => new IrqWaiter(descriptor) }),
        [
          ['no descriptor', 'make', [], /^`descriptor` must be an IrqDescriptor\. Received undefined$/],
          ['the options of a vector', 'make', [{ fd: 5 }], /^`descriptor` must be an IrqDescriptor/],
          ['no file descriptor', 'make', [{ off: new Int32Array(1) }], /^`descriptor\.fd` must be a file descriptor/],
        ],
      );
      refuses(
        () => waiter,
        [
          ['a second of polling', 'wait', [{ spinMicroseconds: 1e6 }], /^`spinMicroseconds` must be .*from 0 to 1000/],
          ['options that are null', 'wait', [null], '`options` must be an object. Received null'],
          ['options that are null', 'next', [null], '`options` must be an object. Received null'],
          ['a text', 'setRef', ['x'], /^`ref` must be true or false\. Received 'x'$/],
          [
            'a wait of no time',
            'wait',
            [{ timeoutMs: NaN }],
            '`timeoutMs` must be a number from 0 to 2147483647. Received NaN',
          ],
          [
            'a wait that a timer cannot take',
            'next',
            [{ timeoutMs: 2 ** 31 }],
            '`timeoutMs` must be a number from 0 to 2147483647. Received 2147483648',
          ],
        ],
      );
    });
  });
});
