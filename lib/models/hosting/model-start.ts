import type { EventEmitter } from 'node:events';

import { deserializeError, invalidArgument, VfioError, type SerializedError } from '../../base/errors.js';
import type { ExitNotice } from './exit-notice.js';
import type { ModelDescription } from './model-description.js';

/** How long a model may take to start. */
const START_MS = 10_000;
/** How long a model may take to end before its thread or process is ended by force. */
export const STOP_MS = 2_000;

/** The first message of a model's thread or process: it is ready to serve, or the reason why it is not. */
export type StartMessage =
  | { readonly kind: 'ready'; readonly description: ModelDescription }
  | { readonly kind: 'failed'; readonly error: SerializedError };

/**
 * Waits until a model is ready to serve.
 * @param host the model's Worker or ChildProcess
 * @param ask sends the model its request, where starting the host does not; it calls `fail` if that fails
 * @throws the error of the model's message; ERR_TIMEOUT after 10 s; the error that ended the model, or ERR_CLOSED
 */
export function awaitStart(
  host: EventEmitter,
  exit: ExitNotice,
  ask?: (fail: (error: VfioError) => void) => void,
): Promise<ModelDescription> {
  return new Promise((resolve, reject) => {
    const fail = (error: VfioError): void => {
      clearTimeout(timer);
      reject(error);
    };
    const timer = setTimeout(() => fail(startTimeout()), START_MS);
    host.once('message', (message: StartMessage) => {
      if (message.kind === 'failed') return fail(deserializeError(message.error));
      clearTimeout(timer);
      resolve(message.description);
    });
    exit.listen((error) => fail(error ?? new VfioError('the model ended', { code: 'ERR_CLOSED' })));
    ask?.(fail);
  });
}

/** Lists the arguments of this node process that a model's module may need, such as loaders. */
export function inheritedArguments(): string[] {
  const names = ['--import', '--loader', '--experimental-loader', '--require', '-r', '--conditions', '-C'];
  return process.execArgv.filter((argument, i, all) => {
    return (
      names.some((name) => argument.startsWith(`${name}=`)) ||
      names.includes(argument) ||
      names.includes(all[i - 1] ?? '')
    );
  });
}

/** Makes the error of model options that structured clone rejects. */
export function notCloneable(cause: Error): VfioError {
  const error = invalidArgument(`\`options\` must be cloneable. ${cause.message}`);
  error.cause = cause;
  return error;
}

function startTimeout(): VfioError {
  return new VfioError(`the model did not start within ${START_MS / 1000} s`, { code: 'ERR_TIMEOUT' });
}
