/** Starts and uses a pool where the process can make no more threads; `process.argv[2]` says when. Prints one line of JSON. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';

import { VfioError } from '../../lib/base/errors.js';
import { WorkerPool } from '../../lib/pool/pool.js';
import { memoryRegion } from '../support/memory-region.js';

const shell = spawn('sh', { stdio: ['pipe', 'pipe', 'inherit'] });
const told: unknown[] = [];
process.on('uncaughtException', (error) => told.push(`uncaught ${String(error)}`));
process.on('unhandledRejection', (error) => told.push(`unhandled ${String(error)}`));

const modes: Record<string, () => Promise<void>> = {
  cpus: async () => {
    await mayMakeThreads(false);
    await tell(WorkerPool.start({ workers: 1, cpus: [0] }));
  },
  start: async () => {
    await mayMakeThreads(false);
    await tell(WorkerPool.start({ workers: 2 }));
  },
  replace: async () => {
    const pool = await WorkerPool.start({ workers: 1 });
    const memory = await memoryRegion(pool.lane());
    await mayMakeThreads(false);
    await pool.threads[0]?.terminate();
    const reading = memory.region.read32(0);
    await pause(100);
    await mayMakeThreads(true);
    // A thread can be made again before the worker is given up.
    await tell(reading);
    await memory.close();
    await pool.close();
  },
  giveUp: async () => {
    const pool = await WorkerPool.start({ workers: 1 });
    const memory = await memoryRegion(pool.lane());
    await mayMakeThreads(false);
    await pool.threads[0]?.terminate();
    await tell(memory.region.read32(0));
    await mayMakeThreads(true);
    await memory.close();
    await pool.close();
  },
  driver: async () => {
    const pool = await WorkerPool.start({ workers: 1, drivers: 1 });
    const module = new URL('./drivers/fails.js', import.meta.url).href;
    const run = (how: string): Promise<unknown> => pool.runDriver({ module, regions: [], buffers: {}, args: { how } });
    await mayMakeThreads(false);
    await tell(run('throw'));
    await mayMakeThreads(true);
    await tell(run('throw'));
    await pool.close();
  },
};

await modes[process.argv[2] ?? '']?.();
await pause(50);
shell.stdin.end();
console.log(JSON.stringify(told));

async function tell(promise: Promise<unknown>): Promise<void> {
  try {
    await promise;
    told.push('done');
  } catch (error) {
    if (error instanceof VfioError) told.push([error.code, error.syscall ?? '']);
    else told.push(String(error));
  }
}

/** The user has one thread by now in any case. Asks a shell that was there before: this process cannot start one then. */
async function mayMakeThreads(may: boolean): Promise<void> {
  shell.stdin.write(`prlimit --pid ${process.pid} --nproc=${may ? 2048 : 1}:4096; echo\n`);
  await once(shell.stdout, 'data');
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
