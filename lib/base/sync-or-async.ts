import { VfioError, withContext } from './errors.js';

/**
 * Gives a promise of what a call answers at once or by a promise: the system's errors are rejections.
 * @throws at once what is a mistake of the caller's, like the calls that always give a promise
 */
export function toPromise<T>(call: () => T | Promise<T>): Promise<T> {
  try {
    return Promise.resolve(call());
  } catch (error) {
    if (!(error instanceof VfioError)) throw error;
    return Promise.reject(error);
  }
}

/** Goes on when a call has ended: at once where it has. */
export function runAfter(ending: Promise<void> | undefined, goOn: () => void): Promise<void> | undefined {
  if (ending !== undefined) return ending.then(goOn);
  goOn();
  return undefined;
}

/** Opens a device node: the system's errors get its path. */
export function openNode(path: string, open: () => number | Promise<number>): Promise<number> {
  return toPromise(open).catch((error: unknown) => {
    throw withContext(error, { path });
  });
}
