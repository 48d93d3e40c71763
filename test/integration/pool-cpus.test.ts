import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { addon } from '../../lib/native/addon.js';
import { cpusOfNode, parseCpuList, placeWorkers } from '../../lib/pool/cpus.js';
import { WorkerPool } from '../../lib/pool/pool.js';
import { killWorkers } from '../support/kill-workers.js';
import { memoryRegion } from '../support/memory-region.js';
import { threadsOn } from '../support/threads-on.js';

describe('the CPUs of I/O workers', () => {
  const cpus = addon.threadCpus();
  const [first, second] = cpus as [number, number];

  it('are those of the option `cpus`, for replaced threads too', async function () {
    if (cpus.length < 2) {
      this.test!.title += ' (skipped: the process may run on one CPU alone)';
      this.skip();
    }
    const pool = await WorkerPool.start({ workers: 3, cpus: [first, [second]] });
    try {
      assert.deepEqual([threadsOn(first), threadsOn(second)], [2, 1]);
      await killWorkers(pool);
      const memory = await Promise.all([0, 1, 2].map(() => memoryRegion(pool.lane())));
      for (const { region } of memory) await region.write32(0, 1);
      assert.deepEqual([threadsOn(first), threadsOn(second)], [2, 1]);
      for (const each of memory) await each.close();
    } finally {
      await pool.close();
    }
    assert.deepEqual([threadsOn(first), threadsOn(second)], [0, 0]);
  });

  it('are checked before a thread is started', async () => {
    for (const wrong of [[], [[]], [-1], [0.5], [[first, NaN]]]) {
      await assert.rejects(WorkerPool.start({ cpus: wrong }), { code: 'ERR_INVALID_ARGUMENT' }, JSON.stringify(wrong));
    }
    await assert.rejects(WorkerPool.start({ cpus: [first], numaNode: 0 }), { code: 'ERR_INVALID_ARGUMENT' });
    await assert.rejects(WorkerPool.start({ cpus: [first, 8191] }), {
      code: 'EINVAL',
      syscall: 'sched_setaffinity',
      message: new RegExp(`CPU 8191 cannot be used: this process may run on CPU ${first}\\b`),
    });
    await assert.rejects(WorkerPool.start({ cpus: [8192] }), { code: 'ERR_OUT_OF_RANGE' });
    await assert.rejects(WorkerPool.start({ numaNode: 4096 }), { code: 'ENODEV', path: /node4096\/cpulist$/ });
    await assert.rejects(WorkerPool.start({ numaNode: -1 }), { code: 'ERR_INVALID_ARGUMENT' });
  });

  it('can be those of a NUMA node', () => {
    const nodes = mkdtempSync(join(tmpdir(), 'vfio-nodes-'));
    try {
      mkdirSync(join(nodes, 'node1'));
      writeFileSync(join(nodes, 'node1/cpulist'), `${first}\n`);
      assert.deepEqual(cpusOfNode(1, nodes), [first]);
      assert.deepEqual(placeWorkers(2, { numaNode: 1 }, nodes), [[first], [first]]);
      assert.deepEqual(placeWorkers(2, {}, nodes), [undefined, undefined]);
      mkdirSync(join(nodes, 'node2'));
      writeFileSync(join(nodes, 'node2/cpulist'), '\n');
      assert.throws(() => placeWorkers(1, { numaNode: 2 }, nodes), {
        code: 'ERR_INVALID_ARGUMENT',
        message: /NUMA node 2 has no CPU that is online/,
      });
    } finally {
      rmSync(nodes, { recursive: true });
    }
  });

  it('are parsed from a list in the form of the kernel', () => {
    assert.deepEqual(parseCpuList('0-3,8,10-11\n'), [0, 1, 2, 3, 8, 10, 11]);
    assert.deepEqual(parseCpuList('\n'), []);
    assert.throws(() => parseCpuList('0-x'), { code: 'ERR_INVALID_ARGUMENT' });
  });
});
