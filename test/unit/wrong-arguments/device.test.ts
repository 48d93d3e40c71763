import assert from 'node:assert/strict';
import type { Device } from '../../../lib/device/device.js';
import { Engine } from '../../../lib/engine/engine.js';
import { IrqWaiter } from '../../../lib/irq/waiter.js';
import { SoftwareMachine } from '../../../lib/software/machine/software-machine.js';
import { addon } from '../../../lib/native/addon.js';
import { VFIO_PCI_MSI_IRQ_INDEX } from '../../../lib/uapi/vfio.js';
import { refuses } from '../../support/wrong-arguments.js';

const PAGE = 4096;
const EDU = 'f000:00:04.0';

describe('arguments that plain JavaScript gets wrong', () => {
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
      const flag = (): Int32Array<SharedArrayBuffer> => new Int32Array(new SharedArrayBuffer(4));
      const waiter = new IrqWaiter({ fd: addon.eventfdCreate(), off: flag(), taken: flag() });
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
          [
            'no file descriptor',
            'make',
            [{ off: new Int32Array(1), taken: new Int32Array(1) }],
            /^`descriptor\.fd` must be a file descriptor/,
          ],
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
