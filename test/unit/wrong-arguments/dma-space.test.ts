import assert from 'node:assert/strict';
import { DmaSpace } from '../../../lib/dma/dma-space.js';
import { refuses } from '../../support/wrong-arguments.js';
import { allocateShared } from '../../support/allocate-shared.js';

const PAGE = 4096;

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
});
