import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, ftruncateSync, openSync, readdirSync, readFileSync, unlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

import { addon } from '../../../lib/native/addon.js';
import { nextMessage, startWorker } from '../../support/in-worker.js';

const PAGE = 4096;
const READ_WRITE = 3;

function countMappings(name: string): number {
  return readFileSync('/proc/self/maps', 'utf8')
    .split('\n')
    .filter((line) => line.includes(name)).length;
}

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** Collects until the condition holds; buffers of external memory are let go some time after the collection. */
async function collectUntil(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!condition() && Date.now() < deadline) {
    collectGarbage();
    await sleep(5);
  }
}

describe('native/memory: views on several threads', () => {
  it('share one memory, made from the handle or sent to the thread', async () => {
    const fd = addon.memfdCreate('threads-share', BigInt(PAGE), 0);
    const mapping = addon.mappingCreate(fd, 0n, PAGE, READ_WRITE);
    const view = new Int32Array(addon.mappingView(mapping));
    const worker = startWorker(
      `const own = new Int32Array(addon.mappingView(workerData.mapping));
       own[1] = workerData.view[0] + 1;
       parentPort.postMessage(own[0]);`,
      { mapping, view },
    );
    const exited = once(worker, 'exit');
    view[0] = 41;
    assert.equal(await nextMessage(worker), 41);
    assert.equal(view[1], 42);
    await exited;
    addon.mappingClose(mapping);
    closeSync(fd);
  });

  it('wake each other by Atomics.wait and Atomics.notify on views of their own', () => {
    // In a process that can be killed: where this fails, V8 holds the notifying thread for good.
    const program = `
      const { addon } = await import(${JSON.stringify(new URL('../../../lib/native/addon.js', import.meta.url))});
      const { startWorker, nextMessage } = await import(${JSON.stringify(new URL('../../support/in-worker.js', import.meta.url))});
      const fd = addon.memfdCreate('wakes', 4096n, 0);
      const mapping = addon.mappingCreate(fd, 0n, 4096, 3);
      const view = new Int32Array(addon.mappingView(mapping));
      const worker = startWorker(
        'const own = new Int32Array(addon.mappingView(workerData));' +
        'parentPort.postMessage(Atomics.wait(own, 0, 0, 8000));', mapping);
      const woken = nextMessage(worker);
      while (Atomics.notify(view, 0) === 0) await new Promise((resolve) => setTimeout(resolve, 1));
      console.log(await woken);`;
    const child = spawnSync(process.execPath, ['--input-type=module', '-e', program], { timeout: 10_000 });
    assert.equal(String(child.stdout), 'ok\n', `${child.signal ?? ''} ${String(child.stderr)}`);
  });

  it('keep the memory while a thread holds one, and release it after the last', async () => {
    const fd = addon.memfdCreate('threads-hold', BigInt(PAGE), 0);
    const mapping = addon.mappingCreate(fd, 0n, PAGE, READ_WRITE);
    closeSync(fd);
    const worker = startWorker(
      `const view = new Uint8Array(addon.mappingView(workerData));
       parentPort.postMessage('holds');
       parentPort.on('message', () => parentPort.postMessage(view[0] = 3));`,
      mapping,
    );
    await nextMessage(worker);
    addon.mappingClose(mapping);
    collectGarbage();
    assert.equal(countMappings('threads-hold'), 1);
    const answer = nextMessage(worker);
    worker.postMessage('use it');
    assert.equal(await answer, 3);
    await worker.terminate();
    await collectUntil(() => countMappings('threads-hold') === 0);
    assert.equal(countMappings('threads-hold'), 0);
  });

  it('are unmapped by garbage collection, all thousand of them', async () => {
    const makeThousand = (): void => {
      const fd = addon.memfdCreate('collected', BigInt(PAGE), 0);
      for (let i = 0; i < 1000; i++) {
        const mapping = addon.mappingCreate(fd, 0n, PAGE, READ_WRITE);
        new Uint8Array(addon.mappingView(mapping))[0] = i;
        addon.mappingClose(mapping);
      }
      closeSync(fd);
    };
    makeThousand();
    await collectUntil(() => countMappings('collected') === 0);
    assert.equal(countMappings('collected'), 0);
  });

  it('survive faults and revocations in JIT-compiled loops of two threads', async function () {
    this.timeout(60_000);
    const path = join(tmpdir(), `vfio-engine-jit-${process.pid}`);
    const fd = openSync(path, 'wx+');
    unlinkSync(path);
    ftruncateSync(fd, 4 * PAGE);
    const mapping = addon.mappingCreate(fd, 0n, 4 * PAGE, READ_WRITE);
    const program = `
      const view = new Uint32Array(addon.mappingView(workerData.mapping));
      const stop = workerData.stop;
      let ones = 0, zeroes = 0, others = 0;
      function pass() {
        for (let i = 0; i < view.length; i++) {
          const value = Atomics.load(view, i);
          if (value === 0xffffffff) ones++; else if (value === 0) zeroes++; else others++;
        }
      }
      parentPort.postMessage('runs');
      while (Atomics.load(stop, 0) === 0) pass();
      parentPort.postMessage({ ones, zeroes, others });`;
    const stop = new Int32Array(new SharedArrayBuffer(4));
    const workers = [1, 2].map(() => startWorker(program, { mapping, stop }));
    await Promise.all(workers.map(nextMessage));
    for (let round = 0; round < 100; round++) {
      ftruncateSync(fd, 0);
      await sleep(1);
      ftruncateSync(fd, 4 * PAGE);
      await addon.mappingRestore(mapping, fd, 0n);
      await sleep(1);
    }
    const results = Promise.all(workers.map(nextMessage));
    Atomics.store(stop, 0, 1);
    for (const result of (await results) as { ones: number; zeroes: number; others: number }[]) {
      assert.ok(result.ones > 0 && result.zeroes > 0, JSON.stringify(result));
      assert.equal(result.others, 0);
    }
    assert.ok(new Uint32Array(addon.mappingState(mapping))[0]! > 0);
    await Promise.all(workers.map((worker) => worker.terminate()));
    addon.mappingClose(mapping);
    closeSync(fd);
  });
});

describe('native/memory: faults outside of mappings', () => {
  it('still end the process although the handler is installed', () => {
    const addonPath = new URL('../../../lib/native/addon.js', import.meta.url).href;
    // A mapping installs the handler; the signal is one that no access explains.
    const program = `
      const { addon } = await import(${JSON.stringify(addonPath)});
      const fd = addon.memfdCreate('known', 4096n, 0);
      addon.mappingCreate(fd, 0n, 4096, 3);
      process.kill(process.pid, 'SIGBUS');
      setTimeout(() => process.exit(0), 5000);`;
    const child = spawnSync(process.execPath, ['--input-type=module', '-e', program], { timeout: 10_000 });
    assert.equal(child.signal, 'SIGBUS', String(child.stderr));
  });
});

describe('native/event: watchers at the end of their thread', () => {
  it('are closed with a worker that left them open, however it ends', async () => {
    const fd = addon.eventfdCreate();
    const openFds = (): number => readdirSync('/proc/self/fd').length;
    const program = `
      globalThis.kept = [];
      for (let i = 0; i < 32; i++) globalThis.kept.push(addon.watcherCreate(workerData.fd, () => undefined));
      parentPort.postMessage('watches');
      if (workerData.end === 'throws') throw new Error('on purpose');
      if (workerData.end === 'exits') process.exit(0);`;
    // The first worker of a process opens descriptors that stay.
    await startWorker('', {}).terminate();
    for (const end of ['is terminated', 'throws', 'exits']) {
      const before = openFds();
      const worker = startWorker(program, { fd, end });
      worker.on('error', (error) => assert.equal(error.message, 'on purpose'));
      // Not events.once: it gives up at the error, which can come before the message, and the exit in the same turn of the loop.
      const watches = new Promise((resolve) => worker.once('message', resolve));
      const exit = new Promise((resolve) => worker.once('exit', resolve));
      await watches;
      if (end === 'is terminated') await worker.terminate();
      await exit;
      assert.equal(openFds(), before, end);
    }
    addon.closeFdSync(fd);
  });

  it('call back on the thread that made them, and let it end if they are unreferenced', async () => {
    const fd = addon.eventfdCreate();
    const worker = startWorker(
      `const watcher = addon.watcherCreate(workerData, (count) => {
         parentPort.postMessage(count);
         addon.watcherSetRef(watcher, false);
       });
       parentPort.postMessage('watches');`,
      fd,
    );
    await nextMessage(worker);
    const counted = nextMessage(worker);
    const ended = once(worker, 'exit', { signal: AbortSignal.timeout(10_000) });
    addon.eventfdWrite(fd, 5);
    assert.equal(await counted, 5);
    const [code] = (await ended) as [number];
    assert.equal(code, 0);
    addon.closeFdSync(fd);
  });

  it('wake a waiting worker', async () => {
    const fd = addon.eventfdCreate();
    const worker = startWorker(
      `parentPort.postMessage('waits'); parentPort.postMessage(addon.eventfdWait(workerData, 10000));`,
      fd,
    );
    // The exit can come in one turn with the last message.
    const exited = once(worker, 'exit');
    await nextMessage(worker);
    const counted = nextMessage(worker);
    addon.eventfdWrite(fd, 3);
    assert.equal(await counted, 3);
    await exited;
    addon.closeFdSync(fd);
  });
});
