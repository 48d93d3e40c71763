import { requireSignal } from '../base/arguments.js';
import type { AsyncLane } from '../lane/async-lane.js';
import type { Operation, SlotView } from '../layout/slot.js';
import { ECANCELED } from '../uapi/errno.js';

/** What is made of an operation's answer. */
export interface Answer<T> {
  /** Of one that was done, while its slot may be read. */
  done(slots: SlotView, position: number): T;
  /** Of one that failed, with its negative errno. */
  failed(status: number): Error;
}

/**
 * Submits an operation, unless it is cancelled already.
 * @param signal cancels it unless it has run
 * @throws (rejects) what `answer.failed` gives; before anything is submitted what `AsyncLane.submit` throws, and
 * ERR_INVALID_ARGUMENT for what is no AbortSignal
 */
export function submit<T>(
  lane: AsyncLane,
  operation: Operation,
  signal: AbortSignal | undefined,
  answer: Answer<T>,
): Promise<T> {
  return new Promise((resolve, reject) => {
    requireSignal(signal);
    if (signal?.aborted) throw answer.failed(-ECANCELED);
    const submitted = lane.submit(operation, (status, slots, position) => {
      signal?.removeEventListener('abort', cancel);
      if (status === 0) resolve(answer.done(slots, position));
      else reject(answer.failed(status));
    });
    const cancel = (): void => submitted.cancel();
    signal?.addEventListener('abort', cancel, { once: true });
  });
}
