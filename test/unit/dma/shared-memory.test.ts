import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, readSync } from 'node:fs';
import type { Worker } from 'node:worker_threads';

import { DmaSpace } from '../../../lib/dma/dma-space.js';
import type { DmaBuffer } from '../../../lib/dma/dma-buffer.js';
import { VfioError } from '../../../lib/base/errors.js';
import {
  addressOf,
  areaAt,
  buildTouch,
  buildWithoutCall,
  CALL_NUMBERS,
  collectGarbage,
  collectUntil,
  countMappings,
  memoryAreas,
} from '../../support/own-memory.js';
import { nextMessage, startWorker } from '../../support/in-worker.js';

const PAGE = 4096;
const MIB = 1024 * 1024;

function allZero(buffer: DmaBuffer): boolean {
  return buffer.bytes.every((byte) => byte === 0);
}

/** Returns the NUMA nodes that have memory. */
function numaNodes(): number[] {
  const online = readFileSync('/sys/devices/system/node/has_memory', 'latin1').trim();
  return online.split(',').flatMap((range) => {
    const [first = 0, last = first] = range.split('-').map(Number);
    return Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });
}

describe('memory for DMA', () => {
  const space = new DmaSpace();
  afterEach(() => space.unmapAll());

  it('allocates anonymous memory: zeroed whole pages, no descriptor', async () => {
    const buffer = await space.allocate(PAGE + 1);
    assert.deepEqual([buffer.memory.byteLength, buffer.size, buffer.pageSize], [2 * PAGE, BigInt(2 * PAGE), PAGE]);
    assert.equal(buffer.fd, undefined);
    assert.ok(allZero(buffer));
    await assert.rejects(space.allocate(0), { code: 'ERR_INVALID_ARGUMENT' });
  });

  it('allocates a memfd, which holds the bytes and is closed with the buffer', async () => {
    const buffer = await space.allocate(2 * PAGE, { kind: 'memfd' });
    buffer.bytes[PAGE] = 0x5a;
    const { fd } = buffer;
    assert.ok(fd !== undefined);
    const read = Buffer.alloc(2);
    readSync(fd, read, 0, 2, PAGE);
    assert.deepEqual([...read], [0x5a, 0]);
    await buffer.free();
    assert.equal(buffer.fd, undefined);
    assert.throws(() => readSync(fd, read, 0, 2, 0), { code: 'EBADF' });
  });

  for (const hugePageSize of [2 * MIB, 1024 * MIB]) {
    it(`allocates huge pages of ${hugePageSize / MIB} MiB or smaller ones, and reports their size`, async () => {
      const buffer = await space.allocate(PAGE, { kind: 'hugepages', hugePageSize });
      assert.equal(areaAt(addressOf(buffer.memory)).facts.get('KernelPageSize'), buffer.pageSize / 1024);
      assert.equal(buffer.memory.byteLength, buffer.pageSize);
      buffer.bytes[0] = 1;
      const strict = space.allocate(PAGE, { kind: 'hugepages', hugePageSize, fallback: 'error' });
      if (buffer.pageSize === hugePageSize) await (await strict).free();
      else await assert.rejects(strict, VfioError);
      await buffer.free();
    });
  }

  it('rejects other sizes of huge pages', async () => {
    const made = space.allocate(PAGE, { kind: 'hugepages', hugePageSize: 4 * MIB });
    await assert.rejects(made, { code: 'ERR_INVALID_ARGUMENT' });
  });

  it('aligns the address to `memoryAlignment`, or to 2 MiB from 2 MiB on', async () => {
    for (const kind of ['anonymous', 'memfd'] as const) {
      const wide = await space.allocate(PAGE, { kind, memoryAlignment: 64 * MIB });
      assert.equal(addressOf(wide.memory) % BigInt(64 * MIB), 0n);
      const large = await space.allocate(2 * MIB, { kind });
      assert.equal(addressOf(large.memory) % BigInt(2 * MIB), 0n);
      assert.equal(large.iova % BigInt(2 * MIB), 0n);
    }
    for (const memoryAlignment of [3 * PAGE, 512, -PAGE, NaN]) {
      await assert.rejects(space.allocate(PAGE, { memoryAlignment }), { code: 'ERR_INVALID_ARGUMENT' });
    }
  });

  it('takes no more of the process address space than it needs', async () => {
    const total = (): bigint => memoryAreas().reduce((sum, { start, end }) => sum + end - start, 0n);
    const before = total();
    const buffer = await space.allocate(PAGE, { memoryAlignment: 1024 * MIB, guardPages: true });
    assert.ok(total() - before < BigInt(512 * MIB));
    await buffer.free();
  });

  it('takes all pages before the first access, with `prefault`', async () => {
    for (const kind of ['anonymous', 'memfd'] as const) {
      const lazy = await space.allocate(4 * MIB, { kind });
      assert.equal(areaAt(addressOf(lazy.memory)).facts.get('Rss'), 0);
      const eager = await space.allocate(4 * MIB, { kind, prefault: true });
      assert.equal(areaAt(addressOf(eager.memory)).facts.get('Rss'), 4096);
      assert.ok(allZero(eager));
    }
  });

  it('takes pages of one NUMA node, or rejects the node', async () => {
    if (!existsSync('/proc/self/numa_maps')) {
      await assert.rejects(space.allocate(PAGE, { node: 0 }), { code: 'ERR_NOT_SUPPORTED' });
      return;
    }
    for (const node of numaNodes()) {
      for (const kind of ['anonymous', 'memfd'] as const) {
        const buffer = await space.allocate(PAGE, { kind, node });
        buffer.bytes[0] = 1;
        const line = new RegExp(`^${addressOf(buffer.memory).toString(16)} bind:${node} .*N${node}=1`, 'm');
        assert.match(readFileSync('/proc/self/numa_maps', 'latin1'), line, `${kind} of node ${node}`);
      }
    }
    await assert.rejects(space.allocate(PAGE, { node: 1000 }), { code: 'EINVAL', syscall: 'mbind' });
    await assert.rejects(space.allocate(PAGE, { node: 1e6 }), { code: 'EINVAL', syscall: 'mbind' });
    await assert.rejects(space.allocate(PAGE, { node: -1 }), { code: 'ERR_INVALID_ARGUMENT' });
    const huge = await space.allocate(PAGE, { kind: 'hugepages', node: 0 });
    huge.bytes[0] = 1;
    assert.equal(huge.bytes[0], 1);
  });

  it('maps and discards more memory than a Uint8Array can have', async () => {
    const size = 2 ** 32 + PAGE;
    const buffer = await space.allocate(size, { kind: 'memfd' });
    const last = new Uint8Array(buffer.memory, size - PAGE);
    last[PAGE - 1] = 0x5a;
    assert.equal(buffer.size, BigInt(size));
    await (await space.mapPieces(buffer.memory, [size - PAGE, 0], PAGE)).unmap();
    await buffer.free();
    await buffer.discard(size - PAGE, PAGE);
    assert.equal(last[PAGE - 1], 0);
  });

  it('reports that a kernel has no NUMA', function () {
    this.timeout(60_000);
    const withoutCall = buildWithoutCall();
    const lib = new URL('../../../lib/', import.meta.url).href;
    const program = `
      const { DmaSpace } = await import(${JSON.stringify(lib)} + 'dma/dma-space.js');
      const space = new DmaSpace();
      await space.allocate(${PAGE}, { prefault: true });
      const { code, message, hint } = await space.allocate(${PAGE}, { node: 0 }).catch((error) => error);
      console.log(JSON.stringify({ code, message, hint }));`;
    const noSystemCall = 38;
    const command = [
      String(CALL_NUMBERS.mbind),
      String(noSystemCall),
      process.execPath,
      '--input-type=module',
      '-e',
      program,
    ];
    try {
      const { stdout, stderr } = spawnSync(withoutCall.path, command, { encoding: 'utf8', cwd: '/' });
      assert.equal(stderr, '');
      assert.match(stdout, /"ERR_NOT_SUPPORTED".*the kernel has no NUMA.*leave `node` out/);
    } finally {
      withoutCall.remove();
    }
  });

  describe('guard pages', () => {
    it('lie before and after the memory, without access rights', async () => {
      const buffer = await space.allocate(PAGE, { kind: 'memfd', guardPages: true });
      const address = addressOf(buffer.memory);
      assert.match(areaAt(address - 1n).rights, /^---/);
      assert.match(areaAt(address).rights, /^rw-s/);
      assert.match(areaAt(address + BigInt(PAGE)).rights, /^---/);
    });

    it('end a process that touches them by SIGSEGV', function () {
      this.timeout(60_000);
      const touch = buildTouch();
      const lib = new URL('../../../lib/', import.meta.url).href;
      const run = (offset: number): ReturnType<typeof spawnSync> => {
        const program = `
          import { createRequire } from 'node:module';
          const { touch } = createRequire(import.meta.url)(${JSON.stringify(touch.path)});
          const { DmaSpace } = await import(${JSON.stringify(lib)} + 'dma/dma-space.js');
          const { addon } = await import(${JSON.stringify(lib)} + 'native/addon.js');
          const { memory } = await new DmaSpace().allocate(${PAGE}, { guardPages: true });
          console.log(touch(addon.bufferAddress(memory, 0) + ${offset}n));`;
        return spawnSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8', cwd: '/' });
      };
      try {
        for (const inside of [0, PAGE - 1]) assert.deepEqual([run(inside).stdout, run(inside).signal], ['0\n', null]);
        for (const outside of [-1, -PAGE, PAGE, 2 * PAGE - 1]) assert.equal(run(outside).signal, 'SIGSEGV');
      } finally {
        touch.remove();
      }
    });
  });

  describe('the end of memory', () => {
    const name = 'memfd:vfio-engine ';
    beforeEach(() => collectUntil(() => countMappings(name) === 0));

    /** A function of its own, so that this thread does not reference the buffer. */
    async function startHolder(): Promise<Worker> {
      const { bytes } = await space.allocate(PAGE, { kind: 'memfd' });
      return startWorker(
        `let held = workerData;
         parentPort.on('message', (message) => {
           if (message === 'let go') { held = undefined; parentPort.close(); } else parentPort.postMessage(held[0] += 1);
         });`,
        bytes,
      );
    }

    it('comes when the last thread no longer references it', async () => {
      const worker = await startHolder();
      const exited = once(worker, 'exit');
      await space.unmapAll();
      await collectGarbage();
      worker.postMessage('write');
      assert.equal(await nextMessage(worker), 1);
      assert.equal(countMappings(name), 1, 'the worker references it');
      worker.postMessage('let go');
      await exited;
      await collectUntil(() => countMappings(name) === 0);
      assert.equal(countMappings(name), 0);
    });

    it('does not come while it is mapped, even if no thread references it', async () => {
      assert.equal((await space.allocate(PAGE, { kind: 'memfd', iova: 0x100000n })).iova, 0x100000n);
      await collectGarbage();
      assert.equal(countMappings(name), 1);
      await space.unmapAll();
      await collectUntil(() => countMappings(name) === 0);
      assert.equal(countMappings(name), 0);
    });

    it('closes its file, by whichever call it is unmapped', async () => {
      const before = openFds();
      await space.allocate(PAGE, { kind: 'memfd' });
      assert.equal(openFds(), before + 1);
      await space.unmapAll();
      assert.equal(openFds(), before);
      await assert.rejects(space.allocate(PAGE, { kind: 'memfd', iova: 0xfee00000n }), VfioError);
      assert.equal(openFds(), before);
    });
  });
});

function openFds(): number {
  return readdirSync('/proc/self/fd').length;
}
