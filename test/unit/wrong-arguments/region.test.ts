import assert from 'node:assert/strict';

import { WorkerPool } from '../../../lib/pool/pool.js';
import { RegionAccess } from '../../../lib/region/access.js';
import type { RegionDescriptor } from '../../../lib/region/descriptor.js';
import { Program, type ProgramTarget } from '../../../lib/region/program.js';
import { type MemoryRegion, memoryRegion } from '../../support/memory-region.js';
import { refuses, type Row } from '../../support/wrong-arguments.js';

describe('arguments of regions that plain JavaScript gets wrong', () => {
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

  /** Offsets and values, of whatever reads and writes registers. */
  const registers: Row[] = [
    ['nothing for an offset', 'read32', [], /^the offset is undefined .*number of bytes/],
    ['null for an offset', 'read8', [null], /^the offset is null/],
    ['a bigint for an offset', 'read32', [16n], /^the offset is 16n/],
    ['a text for an offset', 'read16', ['16'], /^the offset is '16'/],
    ['an object for an offset', 'read64', [{}], /^the offset is an object/],
    ['a symbol for an offset', 'read32', [Symbol('x')], /^the offset is a symbol/],
    ['a bigint for an offset', 'write32', [16n, 1], /^the offset is 16n/],
    ['nothing for a value', 'write8', [0], '`value` must be an integer. Received undefined'],
    ['a text for a value', 'write16', [0, 'abc'], "`value` must be an integer. Received 'abc'"],
    ['an object for a value', 'write32', [0, {}], '`value` must be an integer. Received an object'],
    ['a symbol for a value', 'write32', [0, Symbol('x')], '`value` must be an integer. Received a symbol'],
    ['a bigint for a value', 'write32', [0, 1n], '`value` must be an integer. Received 1n'],
    ['NaN for a value', 'write32', [0, NaN], '`value` must be an integer. Received NaN'],
    ['half a value', 'doorbell32', [0, 0.5], '`value` must be an integer. Received 0.5'],
    ['a number for a value', 'write64', [0, -1], /^value is -1 .*bigint/],
  ];
  /** What a program has too. */
  const operations: Row[] = [
    ...registers,
    ['a text for a mask', 'modify32', [0, '1', 1], "`mask` must be an integer. Received '1'"],
    ['nothing for a value', 'modify32', [0, 1], '`value` must be an integer. Received undefined'],
    ['no condition', 'pollUntil', [0, undefined, 10], /^the (condition|options)/],
    ['no memory', 'copyToBuffer', [0, 4], /^undefined is no memory .*SharedArrayBuffer/],
    ['memory of one thread', 'copyFromBuffer', [0, 4, new ArrayBuffer(4)], /is no memory .*SharedArrayBuffer/],
    ['a text for a length', 'copyToBuffer', [0, '4', new SharedArrayBuffer(4)], /^the length is '4'/],
    ['half a place', 'copyToBuffer', [0, 4, new SharedArrayBuffer(8), 2], /^bufferOffset is 2 .*multiple of 4/],
    ['a bigint for a place', 'copyToBuffer', [0, 4, new SharedArrayBuffer(8), 0n], /^bufferOffset is 0n/],
  ];
  describe('of its accessor', () => {
    afterEach(() => assert.equal(memory.region.accessor.read64(0), 0n));
    refuses(() => memory.region.accessor, registers);
  });

  describe('of its operations', () => {
    afterEach(() => assert.equal(memory.region.accessor.read64(0), 0n));
    refuses(
      () => memory.region,
      [
        ...operations.filter(([name]) => name !== 'no condition'),
        ['no condition', 'pollUntil', [0], /^the condition is undefined/],
        ['a width that there is not', 'pollUntil', [0, { ...bit, width: 3 }], /^an access of 3 bytes/],
        ['NaN for a mask', 'pollUntil', [0, { ...bit, mask: NaN }], '`mask` must be an integer. Received NaN'],
        ['no value', 'pollUntil', [0, { ...bit, value: undefined }], '`value` must be an integer. Received undefined'],
        ['options that are null', 'pollUntil', [0, bit, null], '`options` must be an object. Received null'],
        ['no program', 'run', [], /^undefined is no program/],
        ['options that are null', 'run', [{}, null], '`options` must be an object. Received null'],
        ['no steps', 'batch', [], '`steps` must be an array. Received undefined'],
        ['a step that is none', 'batch', [[{ read: 0, width: 4 }, 5]], /^a step is 5/],
        ['a step that does nothing', 'batch', [[{ width: 4 }]], /^the offset is undefined/],
        ['a step of a width that there is not', 'batch', [[{ read: 0, width: '4' }]], /^an access of '4' bytes/],
        [
          'a step without a value',
          'batch',
          [[{ write: 0, width: 4 }]],
          '`value` must be an integer. Received undefined',
        ],
        [
          'a step of half a value',
          'batch',
          [[{ write: 0, width: 8, value: 0.5 }]],
          '`value` must be an integer. Received 0.5',
        ],
        ['a step of a text', 'batch', [[{ write: 0, width: 8, value: '1' }]], /^value is '1'/],
      ],
    );
    refuses(
      () => memory.region,
      wrongTimes.map((timeoutMs): Row => {
        return [
          'a wait that cannot be',
          'pollUntil',
          [0, bit, { timeoutMs }],
          /^`timeoutMs` must be a number from 0 to 2147483647\. Received /,
        ];
      }),
    );
    it('0 is a time: one look at what is there', async () => {
      assert.equal(await memory.region.pollUntil(0, { width: 4, mask: 1, value: 0 }, { timeoutMs: 0 }), 0);
    });
  });

  describe('of a program', () => {
    afterEach(() => assert.equal(program.length, 0));
    refuses(() => program, operations);
    refuses(
      () => ({
        make: (target: ProgramTarget, capacity?: number) => new Program(target, capacity),
        on: (target: ProgramTarget) => program.on(target),
        access: (descriptor: RegionDescriptor) => new RegionAccess(descriptor),
      }),
      [
        ['no region', 'make', [], /^undefined is no descriptor of a region/],
        ['what is no region', 'make', [{}], /^undefined is no descriptor/],
        [
          'no steps',
          'make',
          [{ descriptor: { handle: 1 } }, 0],
          '`capacity` must be an integer from 1 to 67108863. Received 0',
        ],
        [
          'more than there can be',
          'make',
          [{ descriptor: { handle: 1 } }, 2 ** 26],
          '`capacity` must be an integer from 1 to 67108863. Received 67108864',
        ],
        ['no region', 'on', [null], /^undefined is no descriptor/],
        ['no descriptor', 'access', [], /^undefined is no descriptor/],
        ['null', 'access', [null], /^null is no descriptor/],
      ],
    );
    refuses(
      () => program,
      [...wrongTimes, undefined].map((timeoutMs): Row => {
        return [
          'a wait that cannot be',
          'pollUntil',
          [0, bit, timeoutMs],
          /^`timeoutMs` must be a number from 0 to 2147483647\. Received /,
        ];
      }),
    );
  });

  describe('of which the low bits count', () => {
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
      it(`${method}(${value}) is the same everywhere`, async () => {
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

  it('an accessor that is first asked for once the region is closed says so', async () => {
    const other = await memoryRegion(pool.lane());
    await other.close();
    assert.throws(() => other.region.accessor, { code: 'ERR_CLOSED', message: /region 0 of memory/ });
    assert.throws(() => other.region.areas, { code: 'ERR_CLOSED' });
  });
});
