import assert from 'node:assert/strict';

import { AsyncLane } from '../../../lib/lane/async-lane.js';
import type { LaneDescriptor } from '../../../lib/lane/descriptor.js';
import { LaneProducer } from '../../../lib/lane/lane-producer.js';
import { SyncLane } from '../../../lib/lane/sync-lane.js';
import { Op } from '../../../lib/layout/slot.js';
import { WorkerPool } from '../../../lib/pool/pool.js';
import { type MemoryRegion, memoryRegion } from '../../support/memory-region.js';
import { refuses, type Row } from '../../support/wrong-arguments.js';

describe('a lane rejects a wrong argument', () => {
  const write = { op: Op.write, width: 4, region: 1, offset: 0, value: 1 };
  /** Wrong operations, each as an argument of `method`. */
  const operations = (method: string, wrap: (operation: unknown) => unknown[]): Row[] => [
    ['no operation', method, wrap(undefined), '`operation` must be an object with an `op`. Received undefined'],
    [
      'a symbol as the value',
      method,
      wrap({ ...write, value: Symbol('x') }),
      '`value` must be an integer. Received a symbol',
    ],
    ['a string as the value', method, wrap({ ...write, value: '1' }), "`value` must be an integer. Received '1'"],
    ['a fraction as the value', method, wrap({ ...write, value: 0.5 }), '`value` must be an integer. Received 0.5'],
    ['NaN as the mask', method, wrap({ ...write, mask: NaN }), '`mask` must be an integer. Received NaN'],
    [
      'a bigint as the offset',
      method,
      wrap({ ...write, offset: 4n }),
      '`offset` must be an integer of at least 0. Received 4n',
    ],
    [
      'a negative offset',
      method,
      wrap({ ...write, offset: -4 }),
      '`offset` must be an integer of at least 0. Received -4',
    ],
    [
      'a region that is not a handle',
      method,
      wrap({ ...write, region: 2 ** 32 }),
      '`region` must be an integer from 0 to 4294967295. Received 4294967296',
    ],
    ['no op', method, wrap({ ...write, op: undefined }), '`op` must be an integer from 1 to 9. Received undefined'],
    ['a width of 260', method, wrap({ ...write, width: 260 }), '`width` must be an integer from 0 to 8. Received 260'],
    [
      'a length of 4 GiB',
      method,
      wrap({ op: Op.copyOut, width: 4, buffer: 1, length: 2 ** 32 }),
      '`length` must be an integer from 0 to 4294967295. Received 4294967296',
    ],
    [
      'an infinite deadline',
      method,
      wrap({ ...write, deadline: Infinity }),
      '`deadline` must be a number from 0 to 9007199254740991. Received Infinity',
    ],
  ];
  let pool: WorkerPool;
  let memory: MemoryRegion;
  let lane: LaneDescriptor;
  let sync: SyncLane;
  let producer: LaneProducer;
  let full: AsyncLane;
  before(async () => {
    pool = await WorkerPool.start({ workers: 1, laneCapacity: 2 });
    memory = await memoryRegion(pool.lane());
    lane = pool.createLane();
    sync = new SyncLane(lane);
    producer = new LaneProducer(pool.createLane());
    full = new AsyncLane(pool.createLane().worker, 2);
    const region = full.addRegion(memory.region.descriptor.handle);
    const poll = { op: Op.poll, width: 4, region, offset: 0, mask: 1, value: 1 };
    const deadline = Number(process.hrtime.bigint() / 1000n) + 20_000_000;
    for (let i = 0; i < 3; i++) full.submit({ ...poll, deadline }, () => undefined);
  });
  after(async () => {
    await full.close(1000);
    await memory.close();
    await pool.close();
  });

  const accesses: Row[] = [
    ['a string as the width', 'read', [1, '4', 0], "`width` must be 1, 2 or 4. Received '4'"],
    ['a width of 8', 'read', [1, 8, 0], '`width` must be 1, 2 or 4. Received 8'],
    ['NaN as the offset', 'read', [1, 4, NaN], '`offset` must be an integer of at least 0. Received NaN'],
    ['a bigint as the offset', 'read', [1, 4, 4n], '`offset` must be an integer of at least 0. Received 4n'],
    ['no region', 'read', [undefined, 4, 0], '`region` must be an integer from 0 to 4294967295. Received undefined'],
    ['NaN as the offset', 'write', [1, 4, NaN, 1], '`offset` must be an integer of at least 0. Received NaN'],
    ['no value', 'write', [1, 4, 0], '`value` must be an integer. Received undefined'],
    ['a bigint as the value', 'write', [1, 4, 0, 1n], '`value` must be an integer. Received 1n'],
  ];
  const notALane = '`descriptor` must be a LaneDescriptor, as `pool.createLane()` returns it. Received';
  const descriptors: Row[] = [
    ['no descriptor', 'open', [], `${notALane} undefined`],
    ['null as the descriptor', 'open', [null], `${notALane} null`],
    ['an object that is not a descriptor', 'open', [{}], `${notALane} an object`],
    [
      'a descriptor with a wrong capacity',
      'open',
      [{ lane: 1, worker: 1, capacity: 3 }],
      '`capacity` must be a power of two from 2 to 65536. Received 3',
    ],
  ];
  describe('of a SyncLane', () => {
    refuses(() => sync, [['no operations', 'runAll', [], '`operations` must be an array. Received undefined']]);
    refuses(() => sync, [...accesses, ...operations('run', (each) => [each])]);
    refuses(
      () => sync,
      operations('runAll', (each) => [[write, each]]),
    );
  });
  describe('of new SyncLane', () => {
    const maker = { make: (options: object) => new SyncLane(lane, options) };
    const opener = { open: (descriptor: LaneDescriptor) => new SyncLane(descriptor) };
    refuses(() => opener, descriptors);
    refuses(
      () => maker,
      [
        [
          'an infinite timeout',
          'make',
          [{ timeoutMs: Infinity }],
          '`timeoutMs` must be a number from 0 to 2147483647. Received Infinity',
        ],
        [
          'NaN as the timeout',
          'make',
          [{ timeoutMs: NaN }],
          '`timeoutMs` must be a number from 0 to 2147483647. Received NaN',
        ],
        [
          'a negative timeout',
          'make',
          [{ timeoutMs: -1 }],
          '`timeoutMs` must be a number from 0 to 2147483647. Received -1',
        ],
        [
          'a string as the timeout',
          'make',
          [{ timeoutMs: '50' }],
          "`timeoutMs` must be a number from 0 to 2147483647. Received '50'",
        ],
        [
          'too many spins',
          'make',
          [{ spins: 1e10 }],
          '`spins` must be an integer from 0 to 1000000. Received 10000000000',
        ],
        [
          'a fraction as the spins',
          'make',
          [{ spins: 0.5 }],
          '`spins` must be an integer from 0 to 1000000. Received 0.5',
        ],
        ['null as the options', 'make', [null], '`options` must be an object. Received null'],
      ],
    );
  });
  describe('of new LaneProducer', () => {
    const opener = { open: (descriptor: LaneDescriptor) => new LaneProducer(descriptor) };
    refuses(() => opener, descriptors);
  });
  describe('of a LaneProducer', () => {
    const pushes = accesses.map(([name, method, ...rest]): Row => {
      return [name, method === 'read' ? 'pushRead' : 'pushWrite', ...rest];
    });
    afterEach(() => assert.equal(producer.pending, 0));
    refuses(() => producer, [...pushes, ...operations('push', (each) => [each])]);
  });
  describe('of a full AsyncLane', () => {
    afterEach(() => assert.equal(full.pending, 3));
    refuses(
      () => full,
      operations('submit', (each) => [each, () => undefined]),
    );
  });
});
