import { fileURLToPath } from 'node:url';
import type { Worker } from 'node:worker_threads';

import { requireSignal } from '../base/arguments.js';
import { warn } from '../base/diagnostics.js';
import { invalidArgument, VfioError } from '../base/errors.js';
import { type DriverAnswer, openAnswer } from './driver-answer.js';
import type { DriverTask } from './driver-task.js';
import { ThreadPlace } from './thread-place.js';

const FILENAME = fileURLToPath(new URL('../../workers/driver-host.js', import.meta.url));
/** How long a thread waits for the next driver function: making one takes tens of milliseconds. */
const IDLE_MS = 1000;

/** A driver function that waits for a place. */
interface Waiting {
  readonly take: (place: ThreadPlace) => void;
  readonly refuse: (error: VfioError) => void;
}

/** The threads of driver functions, apart from the I/O workers': a function may wait for what a worker is to do. */
export class DriverThreads {
  readonly #places: readonly ThreadPlace[];
  readonly #free: ThreadPlace[];
  /** In the order they came. */
  readonly #waiting = new Set<Waiting>();
  #closed = false;

  /** @param most how many run at once, 0 to 64 */
  constructor(most: number) {
    const onIdleError = (error: unknown): void => warn('a driver function threw after it had ended', error);
    this.#places = Array.from(
      { length: most },
      () => new ThreadPlace({ filename: FILENAME, idleMs: IDLE_MS, onIdleError }),
    );
    this.#free = [...this.#places];
  }

  /** Those there now. */
  get threads(): Worker[] {
    return this.#places.flatMap((place) => place.thread ?? []);
  }

  /** Runs a driver function once there is a place for it; see `WorkerPool.runDriver`. */
  async run(task: DriverTask, signal?: AbortSignal): Promise<unknown> {
    requireSignal(signal);
    if (this.#places.length === 0) {
      const hint = 'the pool was made with drivers: 0';
      throw new VfioError('the pool runs no driver functions', { code: 'ERR_NOT_SUPPORTED', hint });
    }
    const place = await this.#takePlace(signal);
    try {
      // It may have been closed since the place was given.
      if (this.#closed) throw closedError();
      return openAnswer(await runAt(place, task, signal));
    } finally {
      this.#givePlace(place);
    }
  }

  /** Ends all threads, whatever they do. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const waiting of this.#waiting) waiting.refuse(closedError());
    await Promise.all(this.#places.map((place) => place.end()));
  }

  #takePlace(signal?: AbortSignal): Promise<ThreadPlace> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(abortedError());
      if (this.#closed) return reject(closedError());
      const free = this.#free.pop();
      if (free !== undefined) return resolve(free);
      const leave = (): void => {
        this.#waiting.delete(waiting);
        signal?.removeEventListener('abort', onAbort);
      };
      const refuse = (error: VfioError): void => {
        leave();
        reject(error);
      };
      const take = (place: ThreadPlace): void => {
        leave();
        resolve(place);
      };
      const onAbort = (): void => refuse(abortedError());
      const waiting: Waiting = { take, refuse };
      this.#waiting.add(waiting);
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }

  #givePlace(place: ThreadPlace): void {
    const [next] = this.#waiting;
    if (next === undefined) this.#free.push(place);
    else next.take(place);
  }
}

async function runAt(place: ThreadPlace, task: DriverTask, signal?: AbortSignal): Promise<DriverAnswer> {
  const stop = (): void => void place.end();
  signal?.addEventListener('abort', stop, { once: true });
  try {
    if (signal?.aborted) throw abortedError();
    return (await place.run(task)) as DriverAnswer;
  } catch (cause) {
    throw failureOf(cause, signal);
  } finally {
    signal?.removeEventListener('abort', stop);
  }
}

/** Why no answer came. A thread that cannot be made tells by itself. */
function failureOf(cause: unknown, signal?: AbortSignal): VfioError {
  if (cause instanceof VfioError) return cause;
  if (signal?.aborted) return abortedError(cause);
  if (cause instanceof DOMException && cause.name === 'DataCloneError') {
    const hint = 'give data without functions';
    return invalidArgument(`what the driver function is given cannot be sent: ${cause.message}`, hint);
  }
  return new VfioError('the thread of the driver function ended', { code: 'ERR_WORKER_DIED', cause });
}

function abortedError(cause?: unknown): VfioError {
  return new VfioError('the driver function was stopped', { code: 'ERR_ABORTED', cause });
}

function closedError(): VfioError {
  return new VfioError('the pool is closed', { code: 'ERR_CLOSED' });
}
