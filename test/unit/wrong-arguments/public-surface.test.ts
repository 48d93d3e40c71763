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

const PAGE = 4096;
const EDU = 'f000:00:04.0';

describe('arguments that plain JavaScript gets wrong', () => {
  const memory = addon.memoryAllocate(4 * PAGE);

  describe('of an address space', () => {
    const space = new DmaSpace();
    afterEach(() => assert.equal(space.mappingCount, 0));
    refuses(
      () => space,
      [
        ['a number for an IOVA', 'map', [memory, { iova: PAGE }], /^iova is 4096 .*bigint/],
        ['an IOVA below 0', 'map', [memory, { iova: -1n }], /^iova is -1n/],
        ['an IOVA of 65 bits', 'map', [memory, { iova: 1n << 64n }], /^iova is 18446744073709551616n/],
        ['a number for a limit', 'map', [memory, { limit: 0xffffffff }], /^limit is 4294967295 .*bigint/],
        [
          'an alignment that is no whole number',
          'map',
          [memory, { alignment: 4096.5 }],
          /^alignment is 4096\.5 .*whole/,
        ],
        ['a bigint for an alignment', 'map', [memory, { alignment: 4096n }], /^alignment is 4096n/],
        ['an alignment that is no power of two', 'map', [memory, { alignment: 3 * PAGE }], /power of two/],
        ['an access that there is not', 'map', [memory, { access: 'rw' }], /^access is 'rw' .*read, write, readwrite/],
        ['a text for a piece', 'map', [memory, { chunkSize: '4096' }], /^chunkSize is '4096'/],
        ['a text for a truth', 'map', [memory, { below4G: 'yes' }], /^below4G is 'yes' .*true or false/],
        ['a number for a truth', 'map', [memory, { surroundings: 1 }], /^surroundings is 1/],
        ['what is no signal', 'map', [memory, { signal: { aborted: true } }], /^signal is an object .*AbortController/],
        ['what is no function', 'map', [memory, { onProgress: 1 }], /^onProgress is 1 .*function/],
        [
          'what has memory, as a WebAssembly.Memory has',
          'map',
          [{ buffer: memory }],
          /an object is not memory .*`buffer`/,
        ],
        ['no memory', 'map', [undefined], /undefined is not memory/],
        ['null', 'map', [null], /null is not memory/],
        ['one memory for a list', 'mapList', [memory], /^memories is an object .*array/],
        ['a list with a number', 'mapList', [[memory, 1]], /1 is not memory/],
        ['a bigint for a piece', 'mapPieces', [memory, [0], 4096n], /^pieceSize is 4096n/],
        ['no offsets', 'mapPieces', [memory, null, PAGE], /^offsets is null .*array of numbers/],
        ['a number for offsets', 'mapPieces', [memory, 1, PAGE], /^offsets is 1 /],
        ['bigints for offsets', 'mapPieces', [memory, [0n], PAGE], /^offsets is an array .*numbers/],
        ['texts for offsets', 'mapPieces', [memory, ['0'], PAGE], /^offsets is an array .*numbers/],
        ['bigints for offsets', 'mapPieces', [memory, new BigUint64Array(1), PAGE], /^offsets is an object .*numbers/],
        ['what has a length alone', 'mapPieces', [memory, { length: 1 }, PAGE], /^offsets is an object/],
        ['an empty list of offsets', 'mapPieces', [memory, [], PAGE], /there is no piece/],
        ['options that are null', 'map', [memory, null], /^the options are null/],
        ['options that are null', 'allocate', [PAGE, null], /^the options are null/],
        ['options that are a number', 'mapPieces', [memory, [0], PAGE, 1], /^the options are 1/],
        ['options that are null', 'mapList', [[memory], null], /^the options are null/],
        ['no options', 'addBank', [], /^the options are undefined/],
        ['a bank without an address', 'addBank', [{ memory }], /^gpa is undefined .*bigint/],
        ['a bank without memory', 'addBank', [{ gpa: 0n }], /undefined is not memory/],
        ['no options', 'createPool', [], /^the options are undefined/],
        ['a bigint for an alignment', 'createPool', [{ bufferSize: 64, count: 1, bufferAlignment: 64n }], /64n?\b/],
        ['prefault that is a number', 'allocate', [PAGE, { prefault: 1 }], /^prefault is 1/],
        ['guards that are null', 'allocate', [PAGE, { guardPages: null }], /^guardPages is null/],
        ['a node that is far out', 'allocate', [PAGE, { node: 2 ** 40 }], /node/],
        ['NaN for an offset', 'mapPieces', [memory, [NaN], PAGE], /begins at NaN/],
        ['a number for an IOVA', 'mapPieces', [memory, [0], PAGE, { iova: PAGE }], /^iova is 4096/],
        ['a number for an address', 'addBank', [{ gpa: 0, memory }], /^gpa is 0 .*bigint/],
        ['a number for an address', 'removeBank', [0], /^gpa is 0 .*bigint/],
        ['a bigint for a size', 'allocate', [4096n], /4096/],
        ['a kind that there is not', 'allocate', [PAGE, { kind: 'hugepage' }], /^kind is 'hugepage'/],
        ['a fallback that there is not', 'allocate', [PAGE, { kind: 'hugepages', fallback: 'x' }], /^fallback is 'x'/],
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
            /^timeoutMs is Infinity .*2147483647/,
          ],
          ['a wait that a timer cannot take', method, [EDU, { sysfs, timeoutMs: 2 ** 31 }], /^timeoutMs is 2147483648/],
          ['a wait of no time', method, [EDU, { sysfs, timeoutMs: NaN }], /^timeoutMs is NaN/],
          ['a number for a device', method, [5, { sysfs }], /^the device is 5 .*string/],
          ['no device', method, [undefined, { sysfs }], /^the device is undefined/],
          ['options that are null', method, [EDU, null], /^the options are null/],
          ['a /sys without calls', method, [EDU, { sysfs: {} }], /^sysfs is an object/],
          ['a /sys that is null', method, [EDU, { sysfs: null }], /^sysfs is null/],
          ['a text for a wait', method, [EDU, { sysfs, timeoutMs: '5' }], /^timeoutMs is '5'/],
        ],
      );
    }
  });

  describe('of a new engine', () => {
    refuses(
      () => ({ make: (options: never) => new Engine(options) }),
      [
        ['null', 'make', [null], /^the options are null/],
        ['one kernel', 'make', [{ kernels: {} }], /^kernels is an object .*array/],
        ['an object for a machine', 'make', [{ machine: {} }], /^machine is an object .*SoftwareMachine/],
        ['a number for a pool', 'make', [{ pool: 2 }], /^pool is 2 .*object/],
        ['a backend that there is not', 'make', [{ backend: 'uio' }], /^backend is 'uio'/],
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
        ['no name', 'attach', [], /^the name is undefined .*string/],
        ['a number for a name', 'attach', [5], /^the name is 5/],
        ['a symbol for a name', 'attach', [Symbol('x')], /^the name is a symbol/],
        ['options that are null', 'attach', [EDU, null], /^the options are null/],
        ['options that are a number', 'attach', [EDU, 5], /^the options are 5/],
        ['an object for a space', 'attach', [EDU, { dma: {} }], /^dma is an object .*DmaSpace/],
        ['null for a space', 'attach', [EDU, { dma: null }], /^dma is null/],
        ['a number for a space', 'attach', [EDU, { dma: 5 }], /^dma is 5/],
        ['one index to trap', 'attach', [EDU, { trap: 5 }], /^trap is 5 .*array/],
        ['null to trap', 'attach', [EDU, { trap: null }], /^trap is null/],
        ['an object to trap', 'attach', [EDU, { trap: {} }], /^trap is an object/],
        ['a text to trap', 'attach', [EDU, { trap: 'x' }], /^trap is 'x'/],
        ['a text to trap, in a list', 'attach', [EDU, { trap: ['0'] }], /^a region of trap is '0'/],
        ['ids that are null', 'attach', [EDU, { ids: null }], /^ids is null/],
        ['ids that are a number', 'attach', [EDU, { ids: 5 }], /^ids is 5/],
        ['an id of 17 bits', 'attach', [EDU, { ids: { vendorId: 0x10000 } }], /does not fit 2 bytes/],
        ['a word for a request', 'attach', [EDU, { onRequest: 'keep' }], /^onRequest is 'keep' .*function/],
        ['null for a request', 'attach', [EDU, { onRequest: null }], /^onRequest is null/],
        ['a backend that there is not', 'attach', [EDU, { backend: 'uio' }], /^backend is 'uio' .*iommufd/],
        ['a text for a switch', 'attach', [EDU, { reset: 'no' }], /^reset is 'no'/],
        ['a text for a switch', 'attach', [EDU, { busMaster: 'yes' }], /^busMaster is 'yes'/],
        ['nothing', 'detach', [], /^undefined is no device/],
        ['an object', 'detach', [{}], /^an object is no device/],
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
          ['numbers', 'takeDirtyPages', [0, PAGE], /^iova is 0 .*bigint/],
          ['pages of no bytes', 'takeDirtyPages', [0n, 4096n, 0n], /^pageSize is 0n .*power of two/],
          ['pages of 3 KiB', 'takeDirtyPages', [0n, 4096n, 3072n], /^pageSize is 3072n/],
          ['all there is', 'takeDirtyPages', [0n, 1n << 63n], /too many .*2147483647/],
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
          ['a delivery that there is not', 'enable', [{ delivery: 'worker' }], /^delivery is 'worker' .*main, eventfd/],
          ['what is no handler', 'enable', [{ handler: {} }], /^handler is an object/],
          ['counts without room', 'enable', [{ counts: new Int32Array(0) }], /0 elements, and vector 0 none/],
          ['counts of other numbers', 'enable', [{ counts: new Float64Array(4) }], /^counts is an object .*Int32Array/],
          ['eventfds that are no map', 'enable', [{ eventfds: [1] }], /^eventfds is an array .*Map/],
          ['no vector', 'trigger', [[]], /no vector/],
          ['options that are null', 'enable', [null], /^the options are null/],
          ['options that are a number', 'enable', [5], /^the options are 5/],
          ['a text for a descriptor', 'enable', [{ eventfds: new Map([[0, 'x']]) }], /^the eventfd of vector 0 is 'x'/],
          ['a descriptor below 0', 'enable', [{ eventfds: new Map([[0, -1]]) }], /^the eventfd of vector 0 is -1/],
          ['NaN for a descriptor', 'enable', [{ eventfds: new Map([[0, NaN]]) }], /^the eventfd of vector 0 is NaN/],
          ['no descriptor', 'enable', [{ eventfds: new Map([[0, null]]) }], /^the eventfd of vector 0 is null/],
          ['a text for a vector', 'enable', [{ eventfds: new Map([['0', 5]]) }], /^a vector of eventfds is '0'/],
          ['a number', 'disable', [5], /^vectors is 5 .*array/],
          ['null', 'disable', [null], /^vectors is null/],
          ['an object', 'disable', [{}], /^vectors is an object/],
          ['a text', 'disable', ['x'], /^vectors is 'x'/],
          ['a text in a list', 'disable', [['0']], /none is '0'/],
          ['a text', 'trigger', ['0'], /none is '0'/],
          ['null', 'trigger', [null], /none is null/],
          ['an object', 'trigger', [{}], /none is an object/],
          ['a bigint', 'trigger', [1n], /none is 1n/],
          ['a bigint', 'unmaskBy', [5n], /^eventfd is 5n .*whole/],
          ['a text', 'unmaskBy', ['x'], /^eventfd is 'x'/],
          ['nothing', 'unmaskBy', [], /^eventfd is undefined/],
          ['less than no descriptor', 'unmaskBy', [-2], /^eventfd is -2/],
          ['options that are null', 'next', [0, null], /^the options are null/],
          ['a text for a time', 'next', [0, { timeoutMs: 'x' }], /^timeoutMs is 'x'/],
          ['a text', 'setRef', ['x'], /^ref is 'x'/],
          ['nothing', 'setRef', [], /^ref is undefined/],
        ],
      );
      refuses(
        () => waiter,
        [
          ['options that are null', 'wait', [null], /^the options are null/],
          ['options that are null', 'next', [null], /^the options are null/],
          ['a text', 'setRef', ['x'], /^ref is 'x'/],
          ['a wait of no time', 'wait', [{ timeoutMs: NaN }], /^timeoutMs is NaN/],
          [
            'a wait that a timer cannot take',
            'next',
            [{ timeoutMs: 2 ** 31 }],
            /^timeoutMs is 2147483648 .*2147483647/,
          ],
        ],
      );
    });
  });
});
