import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';

import { VfioError } from '../../lib/base/errors.js';
import type { WarningMessage } from '../../lib/base/diagnostics.js';
import type { DriverTask } from '../../lib/pool/driver-task.js';
import { WorkerPool } from '../../lib/pool/pool.js';
import { memoryRegion } from '../support/memory-region.js';

describe('a driver function', function () {
  this.timeout(30_000);
  const warnings: WarningMessage[] = [];
  const listen = (message: unknown): unknown => warnings.push(message as WarningMessage);
  let pool: WorkerPool;

  before(async () => {
    subscribe('vfio-engine:warning', listen);
    pool = await WorkerPool.start({ workers: 1, drivers: 2 });
  });
  beforeEach(() => {
    warnings.length = 0;
  });
  after(async () => {
    unsubscribe('vfio-engine:warning', listen);
    await pool.close();
  });

  const run = (name: string, args: unknown, signal?: AbortSignal, words = new SharedArrayBuffer(8)): Promise<unknown> =>
    pool.runDriver({ module: moduleOf(name), regions: [], buffers: { words }, args }, signal);

  it('that throws after it returned ends its thread alone, and the warning channel tells the error', async () => {
    assert.equal(await run('fails', { how: 'late' }), undefined);
    await until(() => warnings.length > 0);
    assert.match(String(warnings[0]?.error), /late/);
    assert.equal(await run('fails', { how: 'late' }), undefined);
    await until(() => warnings.length > 1);
  });

  it('whose thread an unhandled rejection ended fails with that rejection as the cause', async () => {
    await assert.rejects(run('fails', { how: 'floating' }), (error: VfioError) => {
      assert.equal(error.code, 'ERR_WORKER_DIED');
      assert.match(String(error.cause), /floating/);
      return true;
    });
    assert.deepEqual(warnings, []);
    assert.equal(await run('fails', { how: 'late' }), undefined);
    await until(() => warnings.length > 0);
  });

  it('fails with an error that structured clone cannot copy if that ended its thread', async () => {
    await assert.rejects(run('fails', { how: 'aborted' }), (error: VfioError) => {
      assert.deepEqual([error.code, String(error.cause)], ['ERR_WORKER_DIED', 'AbortError: of the signal']);
      assert.match(String((error.cause as Error).stack), /drivers\/fails\.js/);
      return true;
    });
  });

  it('whose error arrives in the same turn as the exit of its thread fails with that error', async () => {
    const words = new SharedArrayBuffer(8);
    const view = new Int32Array(words);
    const running = run('waits', {}, undefined, words);
    await until(() => view[0] === 1);
    // Node.js emits both in one turn if the error was still queued when the thread was gone.
    const thread = pool.threads.at(-1);
    thread?.emit('error', new Error('its own'));
    thread?.emit('exit', 1);
    await assert.rejects(running, (error: VfioError) => {
      assert.deepEqual([error.code, String(error.cause)], ['ERR_WORKER_DIED', 'Error: its own']);
      return true;
    });
    Atomics.store(view, 1, 1);
    Atomics.notify(view, 1);
  });

  it('throws errors whose class and code arrive, as far as structured clone keeps them', async () => {
    await assert.rejects(run('fails', { how: 'throw' }), { name: 'TypeError', message: 'of the driver' });
    await assert.rejects(run('fails', { how: 'code' }), { name: 'RangeError', code: 'MY_CODE', stack: /fails\.js/ });
    await assert.rejects(run('fails', { how: 'null' }), { name: 'Error', message: /threw \[Object: null prototype\]/ });
    await assert.rejects(run('fails', { how: 'cause' }), { name: 'Error', message: 'of a function' });
    await assert.rejects(run('no-such', {}), { code: 'ERR_MODULE_NOT_FOUND' });
  });

  it('is rejected if its arguments or its answer cannot be copied, and its thread lives on', async () => {
    const refused = { name: 'VfioError', code: 'ERR_INVALID_ARGUMENT' };
    await assert.rejects(run('fails', { how: () => 1 }), {
      ...refused,
      message: /^the arguments of the driver function cannot be copied to its thread: .*could not be cloned/,
    });
    await assert.rejects(run('fails', { how: 'answer' }), {
      ...refused,
      message: /^the value that the driver function returned cannot be copied: .*could not be cloned/,
    });
    await assert.rejects(run('fails', {}, {} as AbortSignal), {
      ...refused,
      message: '`signal` must be an AbortSignal. Received an object',
    });
    assert.deepEqual(warnings, []);
  });

  it('is rejected if its task is of the wrong type', async () => {
    const wrong = (task: unknown): Promise<unknown> => pool.runDriver(task as DriverTask);
    const task = { module: moduleOf('waits'), regions: [], buffers: {}, args: {} };
    const rows: [task: unknown, message: string][] = [
      [undefined, '`task` must be an object. Received undefined'],
      [{ ...task, module: 5 }, '`module` must be a string. Received 5'],
      [{ ...task, regions: null }, '`regions` must be an array. Received null'],
      [{ ...task, regions: [{}] }, '`descriptor` must be the descriptor of a region. Received an object'],
      [{ ...task, buffers: null }, '`buffers` must be an object. Received null'],
      [{ ...task, buffers: { a: new ArrayBuffer(8) } }, '`buffers.a` must be a SharedArrayBuffer. Received an object'],
    ];
    for (const [each, message] of rows) {
      await assert.rejects(wrong(each), { name: 'VfioError', code: 'ERR_INVALID_ARGUMENT', message });
    }
  });

  it('is rejected if its arguments contain memory that would be copied, and names it', async () => {
    const shared = new SharedArrayBuffer(8);
    const own = new Uint8Array(8);
    const circle: Record<string, unknown> = { views: [new Uint32Array(shared), Buffer.from(shared)], shared };
    circle['self'] = circle;
    const rows: [args: unknown, name: string, received: string][] = [
      [own, 'args', 'a Uint8Array'],
      [own.buffer, 'args', 'an ArrayBuffer'],
      [{ ...circle, blocks: [1, { data: Buffer.alloc(4) }] }, 'args.blocks[1].data', 'a Buffer'],
      [{ 'a-b': new Map([['key', new DataView(own.buffer)]]) }, "args['a-b'].get('key')", 'a DataView'],
      [{ all: new Set([1, own.buffer]) }, 'args.all[1]', 'an ArrayBuffer'],
      // A hole, and more items than a call takes arguments.
      [Object.assign([], { 1: new Array(300_000).fill(circle), 3: own }), 'args[3]', 'a Uint8Array'],
    ];
    for (const [args, name, received] of rows) {
      const must = 'must be in a SharedArrayBuffer: the driver function would get a copy of it';
      const message = `\`${name}\` ${must}. Received ${received} (`;
      await assert.rejects(run('fails', args), (error: VfioError) => {
        assert.equal(error.code, 'ERR_INVALID_ARGUMENT');
        assert.equal(error.message.slice(0, message.length), message);
        return true;
      });
    }
    await assert.rejects(run('fails', { ...circle, how: 'throw' }), { message: 'of the driver' });
  });

  it('waits in order while as many as the option `drivers` run', async () => {
    const words = new SharedArrayBuffer(8);
    const view = new Int32Array(words);
    const stop = new AbortController();
    const functions = [1, 2, 3, 4].map(() => run('waits', {}, undefined, words));
    const stopped = run('waits', {}, stop.signal, words);
    await until(() => view[0] === 2);
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.equal(view[0], 2);
    stop.abort();
    await assert.rejects(stopped, { code: 'ERR_ABORTED' });
    Atomics.store(view, 1, 1);
    Atomics.notify(view, 1);
    assert.ok((await Promise.all(functions)).every((count) => (count as number) <= 2));
  });

  it('that waits does not keep a dead I/O worker from being replaced', async () => {
    const memory = await memoryRegion(pool.lane());
    const words = new SharedArrayBuffer(8);
    const view = new Int32Array(words);
    const [served] = pool.threads;
    const functions = [1, 2, 3, 4, 5].map(() => run('waits', {}, undefined, words));
    await until(() => view[0] === 2);
    await served?.terminate();
    // The functions end when this is done, as one would that waits for what the read tells.
    const since = performance.now();
    await memory.region.read32(0);
    assert.ok(performance.now() - since < 5000);
    Atomics.store(view, 1, 1);
    Atomics.notify(view, 1);
    await Promise.all(functions);
    await memory.close();
  });

  it('is rejected by a pool without drivers and by a pool that closes', async () => {
    const none = await WorkerPool.start({ workers: 1, drivers: 0 });
    const task = { module: moduleOf('waits'), regions: [], buffers: {}, args: {} };
    await assert.rejects(none.runDriver(task), { code: 'ERR_NOT_SUPPORTED', hint: /drivers: 0/ });
    await none.close();
    const one = await WorkerPool.start({ workers: 1, drivers: 1 });
    const words = new SharedArrayBuffer(8);
    const ends = [1, 2].map(() =>
      one.runDriver({ ...task, buffers: { words } }).catch((error: VfioError) => error.code),
    );
    await until(() => new Int32Array(words)[0] === 1);
    await one.close();
    assert.deepEqual(await Promise.all(ends), ['ERR_WORKER_DIED', 'ERR_CLOSED']);
  });
});

function moduleOf(name: string): string {
  return new URL(`./drivers/${name}.js`, import.meta.url).href;
}

async function until(holds: () => boolean): Promise<void> {
  for (const end = Date.now() + 5000; !holds();) {
    assert.ok(Date.now() < end, 'it does not come');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
