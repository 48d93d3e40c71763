import assert from 'node:assert/strict';

import { bindDriver, restoreDriver } from '../../../lib/sysfs/binding.js';
import type { Device } from '../../../lib/device/device.js';
import { DmaSpace } from '../../../lib/dma/dma-space.js';
import { Engine } from '../../../lib/engine/engine.js';
import { IrqWaiter } from '../../../lib/irq/waiter.js';
import { SoftwareMachine } from '../../../lib/software/machine/machine.js';
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
        ['a text for a piece', 'map', [memory, { chunkSize: '4096' }], /^chunkSize is '4096'/],
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
          /an object is not memory .*`buffer`/,
        ],
        ['no memory', 'map', [undefined], /undefined is not memory/],
        ['null', 'map', [null], /null is not memory/],
        ['one memory for a list', 'mapList', [memory], '`memories` must be an array. Received an object'],
        ['a list with a number', 'mapList', [[memory, 1]], /1 is not memory/],
        [
          'a bigint for a piece',
          'mapPieces',
          [memory, [0], 4096n],
          '`pieceSize` must be an integer of at least 4096. Received 4096n',
        ],
        ['no offsets', 'mapPieces', [memory, null, PAGE], /^offsets is null .*array of numbers/],
        ['a number for offsets', 'mapPieces', [memory, 1, PAGE], /^offsets is 1 /],
        ['bigints for offsets', 'mapPieces', [memory, [0n], PAGE], /^offsets is an array .*numbers/],
        ['texts for offsets', 'mapPieces', [memory, ['0'], PAGE], /^offsets is an array .*numbers/],
        ['bigints for offsets', 'mapPieces', [memory, new BigUint64Array(1), PAGE], /^offsets is an object .*numbers/],
        ['what has a length alone', 'mapPieces', [memory, { length: 1 }, PAGE], /^offsets is an object/],
        ['an empty list of offsets', 'mapPieces', [memory, [], PAGE], /there is no piece/],
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
        ['a bank without memory', 'addBank', [{ gpa: 0n }], /undefined is not memory/],
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
        ['NaN for an offset', 'mapPieces', [memory, [NaN], PAGE], /begins at NaN/],
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
        ['an id of 17 bits', 'attach', [EDU, { ids: { vendorId: 0x10000 } }], /does not fit 2 bytes/],
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
        ['nothing', 'detach', [], '`device` must be a Device of `attach`. Received undefined'],
        ['an object', 'detach', [{}], '`device` must be a Device of `attach`. Received an object'],
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

    describe('whose interrupts', () => {
      const waiter = new IrqWaiter({ fd: addon.eventfdCreate(), off: new Int32Array(new SharedArrayBuffer(4)) });
      after(() => waiter.close());
      afterEach(() => assert.deepEqual(device.irq(VFIO_PCI_MSI_IRQ_INDEX).enabled, []));
      refuses(
        () => device.irq(VFIO_PCI_MSI_IRQ_INDEX),
        [
          ['half a vector', 'enable', [{ vectors: 0.5 }], /^vectors is 0\.5/],
          ['more than there can be', 'enable', [{ vectors: 1e10 }], /10000000000 vectors .*has 1$/],
          ['no vector', 'enable', [{ vectors: [] }], /no vector/],
          ['a text', 'enable', [{ vectors: '1' }], /^vectors is '1'/],
          ['a text in a list', 'enable', [{ vectors: ['0'] }], /none is '0'/],
          [
            'a delivery that there is not',
            'enable',
            [{ delivery: 'worker' }],
            "`delivery` must be 'main' or 'eventfd'. Received 'worker'",
          ],
          ['what is no handler', 'enable', [{ handler: {} }], '`handler` must be a function. Received an object'],
          ['counts without room', 'enable', [{ counts: new Int32Array(0) }], /0 elements, and vector 0 none/],
          ['counts of other numbers', 'enable', [{ counts: new Float64Array(4) }], /^counts is an object .*Int32Array/],
          ['eventfds that are no map', 'enable', [{ eventfds: [1] }], /^eventfds is an array .*Map/],
          ['no vector', 'trigger', [[]], /no vector/],
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
          ['a text in a list', 'disable', [['0']], /none is '0'/],
          ['a text', 'trigger', ['0'], /none is '0'/],
          ['null', 'trigger', [null], /none is null/],
          ['an object', 'trigger', [{}], /none is an object/],
          ['a bigint', 'trigger', [1n], /none is 1n/],
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
          ['a text', 'setRef', ['x'], /^ref is 'x'/],
          ['nothing', 'setRef', [], /^ref is undefined/],
        ],
      );
      refuses(
        () => waiter,
        [
          ['options that are null', 'wait', [null], '`options` must be an object. Received null'],
          ['options that are null', 'next', [null], '`options` must be an object. Received null'],
          ['a text', 'setRef', ['x'], /^ref is 'x'/],
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
