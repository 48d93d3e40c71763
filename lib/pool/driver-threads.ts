import { fileURLToPath } from 'node:url';
import type { Worker } from 'node:worker_threads';

import { requireSignal } from '../base/arguments.js';
import { warn } from '../base/diagnostics.js';
import { invalidArgument, VfioError } from '../base/errors.js';
import { type DriverAnswer, openAnswer } from './driver-answer.js';
import { type DriverTask, requireDriverTask } from './driver-task.js';
import { TaskThread } from './task-thread.js';

const DRIVER_HOST = fileURLToPath(new URL('../../workers/driver-host.js', import.meta.url));
/** How long an idle thread is kept for the next driver function. Starting one takes tens of milliseconds. */
const IDLE_MS = 1000;

/** A driver function that waits for a thread. */
interface Waiting {
  readonly start: (thread: TaskThread) => void;
  readonly reject: (error: VfioError) => void;
}

/**
 * The threads of driver functions. I/O workers have other threads, because a driver function may wait for an I/O worker.
 * Thread: the pool's.
 */
export class DriverThreads {
  readonly #threads: readonly TaskThread[];
  readonly #free: TaskThread[];
  /** In order of arrival. */
  readonly #waiting = new Set<Waiting>();
  #closed = false;

  /** Starts no thread yet. @param most how many functions run at once, 0 to 64 */
  constructor(most: number) {
    const onIdleError = (error: unknown): void => warn('a driver function threw after it had returned', error);
    this.#threads = Array.from(
      { length: most },
      () => new TaskThread({ filename: DRIVER_HOST, idleMs: IDLE_MS, onIdleError }),
    );
    this.#free = [...this.#threads];
  }

  /** The threads that run now. */
  get threads(): Worker[] {
    return this.#threads.flatMap(({ thread }) => thread ?? []);
  }

  /** Runs a driver function when a thread is free; see `WorkerPool.runDriver`. */
  async run(task: DriverTask, signal?: AbortSignal): Promise<unknown> {
    requireDriverTask(task);
    requireSignal(signal);
    if (this.#threads.length === 0) {
      const hint = 'the pool was started with the option drivers: 0';
      throw new VfioError('the pool runs no driver functions', { code: 'ERR_NOT_SUPPORTED', hint });
    }
    const thread = await this.#takeThread(signal);
    try {
      // The pool may have been closed since this function got the thread.
      if (this.#closed) throw closedError();
      return openAnswer(await runOn(thread, task, signal));
    } finally {
      this.#giveThread(thread);
    }
  }

  /** Terminates all threads. Functions that wait are rejected with ERR_CLOSED. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const waiting of this.#waiting) waiting.reject(closedError());
    await Promise.all(this.#threads.map((thread) => thread.end()));
  }

  #takeThread(signal?: AbortSignal): Promise<TaskThread> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(abortedError());
      if (this.#closed) return reject(closedError());
      const free = this.#free.pop();
      if (free !== undefined) return resolve(free);
      const leave = (): void => {
        this.#waiting.delete(waiting);
        signal?.removeEventListener('abort', onAbort);
      };
      const waiting: Waiting = {
        start: (thread) => {
          leave();
          resolve(thread);
        },
        reject: (error) => {
          leave();
          reject(error);
        },
      };
      const onAbort = (): void => waiting.reject(abortedError());
      this.#waiting.add(waiting);
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }

  #giveThread(thread: TaskThread): void {
    const [next] = this.#waiting;
    if (next === undefined) this.#free.push(thread);
    else next.start(thread);
  }
}

async function runOn(thread: TaskThread, task: DriverTask, signal?: AbortSignal): Promise<DriverAnswer> {
  const stop = (): void => void thread.end();
  signal?.addEventListener('abort', stop, { once: true });
  try {
    if (signal?.aborted) throw abortedError();
    return (await thread.run(task)) as DriverAnswer;
  } catch (cause) {
    throw failureOf(cause, signal);
  } finally {
    signal?.removeEventListener('abort', stop);
  }
}

/** Makes the error of a function that gave no answer. The error of a thread that could not be started stays as it is. */
function failureOf(cause: unknown, signal?: AbortSignal): VfioError {
  if (cause instanceof VfioError) return cause;
  if (signal?.aborted) return abortedError(cause);
  if (cause instanceof DOMException && cause.name === 'DataCloneError') {
    const hint = 'pass data without functions';
    return invalidArgument(
      `the arguments of the driver function cannot be copied to its thread: ${cause.message}`,
      hint,
    );
  }
  return new VfioError('the thread of the driver function ended before the function did', {
    code: 'ERR_WORKER_DIED',
    cause,
  });
}

function abortedError(cause?: unknown): VfioError {
  return new VfioError('the driver function was aborted', { code: 'ERR_ABORTED', cause });
}

function closedError(): VfioError {
  return new VfioError('the pool is closed', { code: 'ERR_CLOSED' });
}
