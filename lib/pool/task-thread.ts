import { once } from 'node:events';
import type { Transferable, Worker } from 'node:worker_threads';

import { Piscina } from 'piscina';

import { isStartFailure, threadError } from '../base/thread-error.js';
import { requireStartDescriptors } from '../native/free-descriptors.js';

/** How a `TaskThread` runs its tasks. */
export interface TaskThreadOptions {
  /** Path of the module whose default export runs a task. */
  readonly filename: string;
  /** How long an idle thread is kept, milliseconds; Infinity keeps it. */
  readonly idleMs: number;
  /** Called with the error of a thread that had no task. The error ended the thread. */
  readonly onIdleError: (error: unknown) => void;
}

/**
 * A thread that runs one task at a time. It is started with the first task, and again with the next task after it ended.
 *
 * It is a Piscina of one thread. A Piscina of several threads can start a thread from an event of another thread, where an
 * error ends the process: see README.md of this folder.
 * Thread: the one that created it, with an event loop.
 */
export class TaskThread {
  #pool: Piscina | undefined;

  /** Starts no thread yet. */
  constructor(private readonly options: TaskThreadOptions) {}

  /** The thread, while there is one. */
  get thread(): Worker | undefined {
    return this.#pool?.threads[0];
  }

  /**
   * Runs a task. The previous task must have ended.
   * @param task what the module's default export is called with; structured clone copies it
   * @param transferList what is moved to the thread instead of copied
   * @returns what the task returned; structured clone copied it
   * @throws (rejects) what the task threw, or the error that ended the thread; EAGAIN, ENOMEM or EMFILE if the thread cannot
   * be started
   */
  async run(task: unknown, transferList: Transferable[] = []): Promise<unknown> {
    if (this.thread === undefined) requireStartDescriptors('thread');
    const pool = (this.#pool ??= this.#createPool());
    let answer: Promise<unknown>;
    try {
      answer = pool.run(task, { transferList });
    } catch (cause) {
      this.#abandon(pool);
      throw threadError(cause);
    }
    return this.#answerOf(answer, pool);
  }

  /** Waits until the thread ends by itself. @returns at once if there is none */
  async ended(): Promise<void> {
    const { thread } = this;
    if (thread !== undefined) await once(thread, 'exit');
  }

  /** Terminates the thread, and with it the task. Resolves when the thread has ended. */
  async end(): Promise<void> {
    const pool = this.#pool;
    this.#pool = undefined;
    await pool?.destroy();
  }

  #createPool(): Piscina {
    const { filename, idleMs, onIdleError } = this.options;
    const pool = new Piscina({
      filename,
      minThreads: 0,
      maxThreads: 1,
      concurrentTasksPerWorker: 1,
      idleTimeout: idleMs,
      // An idle thread that blocks in Atomics.wait would delay the thread's own timers and I/O.
      atomics: 'disabled',
    });
    pool.on('error', onIdleError);
    return pool;
  }

  /**
   * Rejects when the thread ends. Piscina itself never answers a task whose thread ended before it was ready. The error that
   * ended the thread rejects at once: Node.js may emit it in the same turn as `exit`, before a promise of it has settled.
   */
  #answerOf(answer: Promise<unknown>, pool: Piscina): Promise<unknown> {
    const [thread] = pool.threads;
    return new Promise((resolve, reject) => {
      const fail = (error: Error): void => {
        this.#abandon(pool);
        reject(error);
      };
      const onError = (error: Error): void => fail(isStartFailure(error) ? threadError(error) : error);
      const onExit = (code: number): void => fail(new Error(`the thread exited with code ${code}`));
      thread?.once('error', onError).once('exit', onExit);
      answer.then(resolve, reject).finally(() => thread?.off('error', onError).off('exit', onExit));
    });
  }

  /** Forgets a Piscina whose queue may still hold a task that nobody waits for. The next task gets a new Piscina. */
  #abandon(pool: Piscina): void {
    if (this.#pool === pool) this.#pool = undefined;
  }
}
