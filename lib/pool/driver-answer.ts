import { inspect } from 'node:util';
import { isNativeError } from 'node:util/types';
import { MessageChannel } from 'node:worker_threads';

import { deserializeError, invalidArgument, type SerializedError, serializeError, VfioError } from '../base/errors.js';

/** How a driver function ended. Structured clone copies it from the function's thread. */
export type DriverAnswer =
  | { readonly kind: 'value'; readonly value: unknown }
  /** It threw a VfioError. */
  | { readonly kind: 'vfio-error'; readonly error: SerializedError }
  /** It threw another error. Structured clone keeps the standard classes and drops the code. */
  | { readonly kind: 'thrown'; readonly error: Error; readonly code?: string | number | undefined };

/** Makes the answer of a function that returned `value`. Thread: the driver function's. */
export function answerOfValue(value: unknown): DriverAnswer {
  const obstacle = cloneObstacle(value);
  if (obstacle === undefined) return { kind: 'value', value };
  return answerOfError(
    invalidArgument(
      `the value that the driver function returned cannot be copied: ${obstacle}`,
      'return data without functions',
    ),
  );
}

/** Makes the answer of a function that threw `thrown`. Thread: the driver function's. */
export function answerOfError(thrown: unknown): DriverAnswer {
  if (thrown instanceof VfioError) return { kind: 'vfio-error', error: serializeError(thrown) };
  const code = thrown instanceof Error ? (thrown as NodeJS.ErrnoException).code : undefined;
  const kept = typeof code === 'string' || typeof code === 'number' ? code : undefined;
  return { kind: 'thrown', error: cloneableError(thrown), code: kept };
}

/** Returns the value, or throws the error. Thread: the caller's. */
export function openAnswer(answer: DriverAnswer): unknown {
  if (answer.kind === 'value') return answer.value;
  if (answer.kind === 'vfio-error') throw deserializeError(answer.error);
  if (answer.code !== undefined) Object.assign(answer.error, { code: answer.code });
  throw answer.error;
}

/** Returns an error that structured clone copies: the error that was thrown, or one that has what can be kept of it. */
export function cloneableError(thrown: unknown): Error {
  // Node.js 22 and later can copy a DOMException, but not as the error that ended a thread.
  const kept = isNativeError(thrown) && !(thrown instanceof DOMException);
  if (kept && cloneObstacle(thrown) === undefined) return thrown;
  if (!(thrown instanceof Error)) return new Error(`the driver function threw ${inspect(thrown)}`);
  // For example a DOMException, or an error whose cause is a function.
  const error = new Error(thrown.message);
  error.name = thrown.name;
  error.stack = thrown.stack ?? '';
  return error;
}

/** Tells why structured clone cannot copy a value: posts it to a port that nobody reads. */
function cloneObstacle(value: unknown): string | undefined {
  const { port1 } = new MessageChannel();
  try {
    port1.postMessage(value);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    port1.close();
  }
}
