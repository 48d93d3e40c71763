import assert from 'node:assert/strict';

import { WorkerPool } from '../../../lib/pool/pool.js';
import { RegionAccess } from '../../../lib/region/region-access.js';
import type { RegionDescriptor } from '../../../lib/region/descriptor.js';
import { Program, type ProgramTarget } from '../../../lib/region/program.js';
import { type MemoryRegion, memoryRegion } from '../../support/memory-region.js';
import { refuses, type Row } from '../../support/wrong-arguments.js';

describe('a region rejects a wrong argument', () => {
  const bit = { width: 4, mask: 1, value: 1 };
  const wrongTimes = [Infinity, NaN, -1, 2 ** 31, '50', 50n];
  let pool: WorkerPool;
  let memory: MemoryRegion;
  let program: Program;
  before(async () => {
    pool = await WorkerPool.start({ workers: 1 });
    memory = await memoryRegion(pool.lane());
    program = new Program(memory.region);
  });
  after(async () => {
    await memory.close();
    await pool.close();
  });

  /** Offsets and values of accesses. */
  const registers: Row[] = [
    ['no offset', 'read32', [], '`offset` must be a number of bytes. Received undefined'],
    ['null as the offset', 'read8', [null], '`offset` must be a number of bytes. Received null'],
    ['a bigint as the offset', 'read32', [16n], '`offset` must be a number of bytes. Received 16n'],
    ['a string as the offset', 'read16', ['16'], "`offset` must be a number of bytes. Received '16'"],
    ['an object as the offset', 'read64', [{}], '`offset` must be a number of bytes. Received an object'],
    ['a symbol as the offset', 'read32', [Symbol('x')], '`offset` must be a number of bytes. Received a symbol'],
    ['a bigint as the offset', 'write32', [16n, 1], '`offset` must be a number of bytes. Received 16n'],
    ['no value', 'write8', [0], '`value` must be an integer. Received undefined'],
    ['a string as the value', 'write16', [0, 'abc'], "`value` must be an integer. Received 'abc'"],
    ['an object as the value', 'write32', [0, {}], '`value` must be an integer. Received an object'],
    ['a symbol as the value', 'write32', [0, Symbol('x')], '`value` must be an integer. Received a symbol'],
    ['a bigint as the value', 'write32', [0, 1n], '`value` must be an integer. Received 1n'],
    ['NaN as the value', 'write32', [0, NaN], '`value` must be an integer. Received NaN'],
    ['a fraction as the value', 'doorbell32', [0, 0.5], '`value` must be an integer. Received 0.5'],
    ['a number as the value', 'write64', [0, -1], '`value` must be a bigint. Received -1'],
  ];
  /** Operations that a region and a program have. */
  const operations: Row[] = [
    ...registers,
    ['a string as the mask', 'modify32', [0, '1', 1], "`mask` must be an integer. Received '1'"],
    ['no value', 'modify32', [0, 1], '`value` must be an integer. Received undefined'],
    [
      'no condition',
      'pollUntil',
      [0, undefined, 10],
      '`condition` must be an object { width, mask, value }. Received undefined',
    ],
    ['no buffer', 'copyToBuffer', [0, 4], '`buffer` must be a SharedArrayBuffer. Received undefined'],
    [
      'an ArrayBuffer as the buffer',
      'copyFromBuffer',
      [0, 4, new ArrayBuffer(4)],
      '`buffer` must be a SharedArrayBuffer. Received an object',
    ],
    [
      'a string as the length',
      'copyToBuffer',
      [0, '4', new SharedArrayBuffer(4)],
      "`length` must be a number of bytes. Received '4'",
    ],
    [
      'a buffer offset that is not a multiple of the width',
      'copyToBuffer',
      [0, 4, new SharedArrayBuffer(8), 2],
      '`bufferOffset` must be a multiple of 4, the width. Received 2',
    ],
    [
      'a bigint as the buffer offset',
      'copyToBuffer',
      [0, 4, new SharedArrayBuffer(8), 0n],
      '`bufferOffset` must be a multiple of 4, the width. Received 0n',
    ],
  ];
  describe('of an accessor', () => {
    afterEach(() => assert.equal(memory.region.accessor.read64(0), 0n));
    refuses(() => memory.region.accessor, registers);
  });

  describe('of a Region', () => {
    afterEach(() => assert.equal(memory.region.accessor.read64(0), 0n));
    refuses(
      () => memory.region,
      [
        ...operations.filter(([name]) => name !== 'no condition'),
        ['no condition', 'pollUntil', [0], '`condition` must be an object { width, mask, value }. Received undefined'],
        ['a width of 3', 'pollUntil', [0, { ...bit, width: 3 }], '`width` must be 1, 2, 4 or 8. Received 3'],
        ['NaN as the mask', 'pollUntil', [0, { ...bit, mask: NaN }], '`mask` must be an integer. Received NaN'],
        ['no value', 'pollUntil', [0, { ...bit, value: undefined }], '`value` must be an integer. Received undefined'],
        ['null as the options', 'pollUntil', [0, bit, null], '`options` must be an object. Received null'],
        ['no program', 'run', [], '`program` must be a Program. Received undefined'],
        ['null as the options', 'run', [{}, null], '`options` must be an object. Received null'],
        ['no steps', 'batch', [], '`steps` must be an array. Received undefined'],
        [
          'a number as a step',
          'batch',
          [[{ read: 0, width: 4 }, 5]],
          '`step` must be { read, width } or { write, width, value }. Received 5',
        ],
        [
          'a step without an offset',
          'batch',
          [[{ width: 4 }]],
          '`offset` must be a number of bytes. Received undefined',
        ],
        [
          'a string as the width of a step',
          'batch',
          [[{ read: 0, width: '4' }]],
          "`width` must be 1, 2, 4 or 8. Received '4'",
        ],
        [
          'a step without a value',
          'batch',
          [[{ write: 0, width: 4 }]],
          '`value` must be an integer. Received undefined',
        ],
        [
          'a fraction as the value of a step',
          'batch',
          [[{ write: 0, width: 8, value: 0.5 }]],
          '`value` must be an integer. Received 0.5',
        ],
        [
          'a string as the value of a step',
          'batch',
          [[{ write: 0, width: 8, value: '1' }]],
          "`value` must be an integer. Received '1'",
        ],
      ],
    );
    refuses(
      () => memory.region,
      wrongTimes.map((timeoutMs): Row => {
        return [
          'a wrong timeout',
          'pollUntil',
          [0, bit, { timeoutMs }],
          /^`timeoutMs` must be a number from 0 to 2147483647\. Received /,
        ];
      }),
    );
    it('accepts a timeout of 0, and reads once', async () => {
      assert.equal(await memory.region.pollUntil(0, { width: 4, mask: 1, value: 0 }, { timeoutMs: 0 }), 0);
    });
  });

  describe('of a Program', () => {
    afterEach(() => assert.equal(program.length, 0));
    refuses(() => program, operations);
    refuses(
      () => ({
        make: (target: ProgramTarget, capacity?: number) => new Program(target, capacity),
        on: (target: ProgramTarget) => program.on(target),
        access: (descriptor: RegionDescriptor) => new RegionAccess(descriptor),
      }),
      [
        ['no region', 'make', [], '`descriptor` must be the descriptor of a region. Received undefined'],
        [
          'an object that is not a region',
          'make',
          [{}],
          '`descriptor` must be the descriptor of a region. Received undefined',
        ],
        [
          'no steps',
          'make',
          [{ descriptor: { handle: 1 } }, 0],
          '`capacity` must be an integer from 1 to 67108863. Received 0',
        ],
        [
          'a capacity that is too large',
          'make',
          [{ descriptor: { handle: 1 } }, 2 ** 26],
          '`capacity` must be an integer from 1 to 67108863. Received 67108864',
        ],
        ['no region', 'on', [null], '`descriptor` must be the descriptor of a region. Received undefined'],
        ['no descriptor', 'access', [], '`descriptor` must be the descriptor of a region. Received undefined'],
        ['null', 'access', [null], '`descriptor` must be the descriptor of a region. Received null'],
      ],
    );
    refuses(
      () => program,
      [...wrongTimes, undefined].map((timeoutMs): Row => {
        return [
          'a wrong timeout',
          'pollUntil',
          [0, bit, timeoutMs],
          /^`timeoutMs` must be a number from 0 to 2147483647\. Received /,
        ];
      }),
    );
  });

  describe('writes the low bits of a value', () => {
    const whole = 0xdeadbeef_89abcdefn;
    const values: readonly [method: string, value: number | bigint, there: bigint][] = [
      ['write8', -1, 0xdeadbeef_89abcdffn],
      ['write8', 0x1_0000_0042, 0xdeadbeef_89abcd42n],
      ['write16', -2, 0xdeadbeef_89abfffen],
      ['write16', 0x12345, 0xdeadbeef_89ab2345n],
      ['write32', -1, 0xdeadbeef_ffffffffn],
      ['write32', 2 ** 40 + 5, 0xdeadbeef_00000005n],
      ['doorbell32', ~7, 0xdeadbeef_fffffff8n],
      ['write64', -1n, 0xffffffff_ffffffffn],
      ['write64', (1n << 64n) + 3n, 3n],
    ];
    type Writer = Record<string, (offset: number, value: number | bigint) => unknown>;
    for (const [method, value, there] of values) {
      it(`${method}(${value}) does the same in an accessor, a region, a program and a batch`, async () => {
        const { region } = memory;
        const { accessor } = region;
        for (const target of [accessor, region, program] as unknown[]) {
          accessor.write64(64, whole);
          await (target as Writer)[method]!(64, value);
          if (target === program) program.run();
          assert.equal(accessor.read64(64), there);
        }
        program.clear();
        const width = (Number(/\d+/.exec(method)?.[0]) / 8) as 1 | 2 | 4 | 8;
        accessor.write64(64, whole);
        await region.batch([{ write: 64, width, value }]);
        assert.equal(accessor.read64(64), there);
        const all = { width, mask: -1n, value };
        assert.equal(BigInt(await region.pollUntil(64, all, { timeoutMs: 10 })), BigInt.asUintN(8 * width, there));
      });
    }
  });

  it('throws ERR_CLOSED if the accessor is first used after the region was closed', async () => {
    const other = await memoryRegion(pool.lane());
    await other.close();
    assert.throws(() => other.region.accessor, { code: 'ERR_CLOSED', message: /region 0 of memory/ });
    assert.throws(() => other.region.areas, { code: 'ERR_CLOSED' });
  });
});
