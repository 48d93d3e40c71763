import { requireSignal } from '../base/arguments.js';
import type { AsyncLane } from '../lane/async-lane.js';
import type { Operation, SlotView } from '../layout/slot.js';
import { ECANCELED } from '../uapi/errno.js';

/** Turns the answer of an operation into what its promise settles with. */
export interface AnswerReader<T> {
  /** Reads the value of an operation that succeeded. The slot may be read during the call. */
  valueOf(slots: SlotView, position: number): T;
  /** Makes the error of an operation that failed. @param status a negative errno */
  errorOf(status: number): Error;
}

/**
 * Submits an operation to a lane, unless it is aborted already.
 * @param signal cancels the operation if it has not run; a poll, a copy and a program stop where they are
 * @throws (rejects) what `reader.errorOf` makes; ERR_INVALID_ARGUMENT if `signal` is not an AbortSignal; what
 * `AsyncLane.submit` throws
 */
export function submitToLane<T>(
  lane: AsyncLane,
  operation: Operation,
  signal: AbortSignal | undefined,
  reader: AnswerReader<T>,
): Promise<T> {
  return new Promise((resolve, reject) => {
    requireSignal(signal);
    if (signal?.aborted) throw reader.errorOf(-ECANCELED);
    const submitted = lane.submit(operation, (status, slots, position) => {
      signal?.removeEventListener('abort', cancel);
      if (status === 0) resolve(reader.valueOf(slots, position));
      else reject(reader.errorOf(status));
    });
    const cancel = (): void => submitted.cancel();
    signal?.addEventListener('abort', cancel, { once: true });
  });
}
