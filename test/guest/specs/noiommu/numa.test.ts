import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';

import { DmaSpace } from '../../../../lib/dma/dma-space.js';
import type { MemoryKind } from '../../../../lib/dma/memory/shared-memory.js';
import { parseCpuList } from '../../../../lib/pool/cpus.js';
import { WorkerPool } from '../../../../lib/pool/pool.js';
import { addressOf } from '../../../support/own-memory.js';
import { threadsOn } from '../../../support/threads-on.js';

const PAGE = 4096;
const LARGE = 2 << 20;
const NODES = [0, 1] as const;

/** The line of /proc/self/numa_maps on a buffer. */
function placeOf(memory: SharedArrayBuffer): string {
  const start = `${addressOf(memory).toString(16)} `;
  const line = readFileSync('/proc/self/numa_maps', 'latin1')
    .split('\n')
    .find((each) => each.startsWith(start));
  assert.ok(line !== undefined, `no mapping starts at ${start}`);
  return line;
}

describe('a machine of two NUMA nodes', () => {
  const space = new DmaSpace();
  afterEach(() => space.unmapAll());

  for (const node of NODES) {
    for (const kind of ['anonymous', 'memfd'] satisfies MemoryKind[]) {
      it(`takes the pages of ${kind} memory from node ${node}, whichever CPU touches them`, async () => {
        const prefaulted = await space.allocate(64 * PAGE, { kind, node, prefault: true });
        assert.match(placeOf(prefaulted.memory), new RegExp(` bind:${node} .*\\bN${node}=64\\b`));
        const touched = await space.allocate(64 * PAGE, { kind, node });
        touched.bytes.fill(1);
        const line = placeOf(touched.memory);
        assert.match(line, new RegExp(` bind:${node} .*\\bN${node}=64\\b`));
        assert.doesNotMatch(line, new RegExp(`\\bN${1 - node}=`));
      });
    }

    it(`takes huge pages from node ${node}, and ordinary ones from there where it has none`, async () => {
      const count = `/sys/devices/system/node/node${node}/hugepages/hugepages-2048kB/nr_hugepages`;
      const other = count.replace(`node${node}/`, `node${1 - node}/`);
      writeFileSync(count, '2');
      try {
        const huge = await space.allocate(2 * LARGE, { kind: 'hugepages', node, prefault: true });
        assert.equal(huge.pageSize, LARGE);
        assert.match(placeOf(huge.memory), new RegExp(` bind:${node} .*\\bN${node}=2\\b`));
        await huge.free();
        writeFileSync(count, '0');
        writeFileSync(other, '2');
        const ordinary = await space.allocate(LARGE, { kind: 'hugepages', node, prefault: true });
        assert.equal(ordinary.pageSize, PAGE);
        assert.match(placeOf(ordinary.memory), new RegExp(` bind:${node} .*\\bN${node}=512\\b`));
      } finally {
        writeFileSync(count, '0');
        writeFileSync(other, '0');
      }
    });

    it(`runs a pool's workers on the CPUs of node ${node}`, async () => {
      const cpu = parseCpuList(readFileSync(`/sys/devices/system/node/node${node}/cpulist`, 'latin1'))[0];
      if (cpu === undefined) {
        // The guest that runs beside another has one CPU.
        await assert.rejects(WorkerPool.start({ numaNode: node }), { code: 'ERR_INVALID_ARGUMENT' });
        return;
      }
      const before = threadsOn(cpu);
      const pool = await WorkerPool.start({ workers: 2, numaNode: node });
      assert.equal(threadsOn(cpu), before + 2);
      await pool.close();
    });
  }

  it('has no third one, and says so', async () => {
    await assert.rejects(space.allocate(PAGE, { node: 2 }), { code: 'EINVAL', syscall: 'mbind' });
    await assert.rejects(WorkerPool.start({ numaNode: 2 }), { code: 'ENODEV', path: /node2\/cpulist$/ });
  });
});
