import type { Transferable, Worker } from 'node:worker_threads';

import { Piscina } from 'piscina';

import { systemError, type VfioError } from '../base/errors.js';
import { isErrnoName } from '../uapi/errno.js';

/** How a place has its threads. */
export interface PlaceOptions {
  /** The module whose default export a thread runs. */
  readonly filename: string;
  /** How long a thread without a task is kept, milliseconds. */
  readonly idleMs: number;
  /** Told what a thread without a task threw, which ended it. */
  readonly onIdleError: (error: unknown) => void;
}

/**
 * A place for one thread at a time, made when there is a task, by a Piscina of its own. In one of several threads Piscina
 * makes a thread in an event of another's: where none can be made then, the error ends the process. And a task that it
 * could not start stays in its queue, to be run when nobody waits for it any more: such a Piscina is left behind.
 * Thread: the one that made it, with an event loop.
 */
export class ThreadPlace {
  #pool: Piscina | undefined;

  constructor(private readonly options: PlaceOptions) {}

  /** The thread there now, if there is one. */
  get thread(): Worker | undefined {
    return this.#pool?.threads[0];
  }

  /**
   * Runs a task; the one before it must have ended.
   * @returns what it returned, structured-cloned
   * @throws what it threw, what ended its thread; EAGAIN, ENOMEM when no thread can be made
   */
  async run(task: unknown, transferList: Transferable[] = []): Promise<unknown> {
    const pool = (this.#pool ??= this.#newPool());
    let answer: Promise<unknown>;
    try {
      answer = pool.run(task, { transferList });
    } catch (cause) {
      this.#leave(pool);
      throw threadError(cause);
    }
    return this.#answerOf(answer, pool);
  }

  /** Ends the thread, and the task with it. Resolves when the thread is gone. */
  async end(): Promise<void> {
    const pool = this.#pool;
    this.#pool = undefined;
    await pool?.destroy();
  }

  #newPool(): Piscina {
    const { filename, idleMs, onIdleError } = this.options;
    const pool = new Piscina({
      filename,
      minThreads: 0,
      maxThreads: 1,
      concurrentTasksPerWorker: 1,
      idleTimeout: idleMs,
      // A thread blocked in Atomics.wait would stall what its event loop watches.
      atomics: 'disabled',
    });
    pool.on('error', onIdleError);
    return pool;
  }

  /** Piscina says nothing of a task whose thread ends before it was ready. */
  #answerOf(answer: Promise<unknown>, pool: Piscina): Promise<unknown> {
    const [thread] = pool.threads;
    return new Promise((resolve, reject) => {
      const onExit = (code: number): void => {
        this.#leave(pool);
        reject(new Error(`the thread exited with code ${code}`));
      };
      thread?.once('exit', onExit);
      answer.then(resolve, reject).finally(() => thread?.off('exit', onExit));
    });
  }

  #leave(pool: Piscina): void {
    if (this.#pool === pool) this.#pool = undefined;
  }
}

/** Makes the error of a thread that could not be made, of Node.js's, which names the errno in its message. */
function threadError(cause: unknown): VfioError {
  const name = /\b(E[A-Z]+)$/.exec(cause instanceof Error ? cause.message : '')?.[1] ?? '';
  const hint = 'fewer threads, or a higher limit: see `ulimit -u` and pids.max of the control group';
  return systemError(isErrnoName(name) ? name : 'EAGAIN', 'pthread_create', { cause, hint });
}
