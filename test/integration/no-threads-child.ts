/** Starts and uses a pool while no thread can be started; `process.argv[2]` is the case. Prints one line of JSON. */
import { VfioError } from '../../lib/base/errors.js';
import { WorkerPool } from '../../lib/pool/pool.js';
import { memoryRegion } from '../support/memory-region.js';
import { ThreadLimit } from '../support/thread-limit.js';

const threads = new ThreadLimit();
const answers: unknown[] = [];
process.on('uncaughtException', (error) => answers.push(`uncaught ${String(error)}`));
process.on('unhandledRejection', (error) => answers.push(`unhandled ${String(error)}`));

const cases: Record<string, () => Promise<void>> = {
  cpus: async () => {
    await threads.allow(false);
    await record(WorkerPool.start({ workers: 1, cpus: [0] }));
  },
  start: async () => {
    await threads.allow(false);
    await record(WorkerPool.start({ workers: 2 }));
  },
  replace: async () => {
    const pool = await WorkerPool.start({ workers: 1 });
    const memory = await memoryRegion(pool.lane());
    await threads.allow(false);
    await pool.threads[0]?.terminate();
    const reading = memory.region.read32(0);
    await pause(100);
    await threads.allow(true);
    // The worker's thread can be started again before the pool gives the worker up.
    await record(reading);
    await memory.close();
    await pool.close();
  },
  giveUp: async () => {
    const pool = await WorkerPool.start({ workers: 1 });
    const memory = await memoryRegion(pool.lane());
    await threads.allow(false);
    await pool.threads[0]?.terminate();
    await record(memory.region.read32(0));
    await threads.allow(true);
    await memory.close();
    await pool.close();
  },
  driver: async () => {
    const pool = await WorkerPool.start({ workers: 1, drivers: 1 });
    const module = new URL('./drivers/fails.js', import.meta.url).href;
    const run = (how: string): Promise<unknown> => pool.runDriver({ module, regions: [], buffers: {}, args: { how } });
    await threads.allow(false);
    await record(run('throw'));
    await threads.allow(true);
    await record(run('throw'));
    await pool.close();
  },
};

await cases[process.argv[2] ?? '']?.();
await pause(50);
threads.close();
console.log(JSON.stringify(answers));

async function record(promise: Promise<unknown>): Promise<void> {
  try {
    await promise;
    answers.push('done');
  } catch (error) {
    if (error instanceof VfioError) answers.push([error.code, error.syscall ?? '']);
    else answers.push(String(error));
  }
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
