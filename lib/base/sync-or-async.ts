import { VfioError, withContext } from './errors.js';

/**
 * Calls a function that returns its result or a promise of it, and returns a promise in both cases. A VfioError that the
 * function throws becomes a rejection.
 * @throws at once any other error: it is a mistake in the arguments, and async functions throw it at once too
 */
export function toPromise<T>(call: () => T | Promise<T>): Promise<T> {
  try {
    return Promise.resolve(call());
  } catch (error) {
    if (!(error instanceof VfioError)) throw error;
    return Promise.reject(error);
  }
}

/**
 * Runs `next` after a call has ended: at once if the call ended without a promise.
 * @param call what the call returned
 * @returns a promise if the call returned one
 */
export function runAfter(call: Promise<void> | undefined, next: () => void): Promise<void> | undefined {
  if (call !== undefined) return call.then(next);
  next();
  return undefined;
}

/** Opens a device node, by a function that may return a promise. A failure gets the path of the node. */
export function openNode(path: string, open: () => number | Promise<number>): Promise<number> {
  return toPromise(open).catch((error: unknown) => {
    throw withContext(error, { path });
  });
}
