/**
 * Runs two tasks at once. The second thread ends before it is ready, and no thread can be started then.
 * `process.argv[2]` tells who runs the tasks. Prints one line of JSON: the answers of the tasks.
 */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Worker } from 'node:worker_threads';

import { Piscina } from 'piscina';

import { TaskThread } from '../../lib/pool/task-thread.js';
import { ThreadLimit } from '../support/thread-limit.js';

interface Threads {
  /** Runs a task each, at once. */
  run(): Promise<unknown>[];
  list(): (Worker | undefined)[];
}

const [, , runner = '', gate = ''] = process.argv;
process.env['GATE'] = gate;
const filename = fileURLToPath(new URL('./one-piscina-task.js', import.meta.url));

const runners: Record<string, () => Threads> = {
  piscina: () => {
    const pool = new Piscina({ filename, minThreads: 0, maxThreads: 2, idleTimeout: Infinity, atomics: 'disabled' });
    return { run: () => [pool.run({}), pool.run({})], list: () => pool.threads };
  },
  'task-threads': () => {
    const options = { filename, idleMs: Infinity, onIdleError: () => undefined };
    const threads = [new TaskThread(options), new TaskThread(options)];
    return { run: () => threads.map((thread) => thread.run({})), list: () => threads.map(({ thread }) => thread) };
  },
};

const limit = new ThreadLimit();
const threads = runners[runner]?.() as Threads;
const answers = Promise.allSettled(threads.run());
await threads.list()[1]?.terminate();
await limit.allow(false);
writeFileSync(gate, '');
console.log(
  JSON.stringify(
    (await answers).map((answer) => (answer.status === 'fulfilled' ? answer.value : String(answer.reason))),
  ),
);
process.exit();
