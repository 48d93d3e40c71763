import { once } from 'node:events';
import { Worker } from 'node:worker_threads';

const addonUrl = new URL('../../lib/native/addon.js', import.meta.url).href;

/**
 * Starts a worker whose program is `body`, with `addon`, `parentPort` and `workerData` in scope.
 * @param body JavaScript, the inside of an async function
 */
export function startWorker(body: string, workerData: unknown): Worker {
  const program = `
    import { parentPort, workerData } from 'node:worker_threads';
    import { addon } from ${JSON.stringify(addonUrl)};
    ${body}`;
  const url = new URL(`data:text/javascript,${encodeURIComponent(program)}`);
  return new Worker(url, { workerData });
}

/** Waits for the next message of a worker. @throws (rejects) the worker's error; AbortError after 10 s */
export async function nextMessage(worker: Worker): Promise<unknown> {
  const [message] = (await once(worker, 'message', { signal: AbortSignal.timeout(10_000) })) as unknown[];
  return message;
}
