import { isErrnoName } from '../uapi/errno.js';
import { deserializeError, serializeError, systemError, VfioError } from './errors.js';
import { withPermission } from './permission.js';

/** What the user can do about EMFILE. */
export const TOO_MANY_FILES = 'too many open files: raise ulimit -n';

/**
 * Makes the error of a thread or process that did not start, or that an error ended.
 * @param cause what Node.js threw or emitted
 * @returns a VfioError as it is; a failed system call with its errno; EIO for any other error
 */
export function threadError(cause: unknown): VfioError {
  if (cause instanceof VfioError) return cause;
  const denied = withPermission(cause);
  if (denied instanceof VfioError) return denied;
  if (isStartFailure(cause)) return startError(cause);
  const error = deserializeError(serializeError(cause));
  error.cause = cause;
  return error;
}

/** Tells whether an error says that Node.js could not start a thread. */
export function isStartFailure(cause: unknown): cause is Error {
  return cause instanceof Error && (cause as NodeJS.ErrnoException).code === 'ERR_WORKER_INIT_FAILED';
}

/** Node.js names the errno at the end of its message. Descriptors are needed by the thread's loop, not by its creation. */
function startError(cause: Error): VfioError {
  const name = /\b(E[A-Z]+)$/.exec(cause.message)?.[1] ?? '';
  if (name === 'EMFILE' || name === 'ENFILE') return systemError(name, 'uv_loop_init', { cause, hint: TOO_MANY_FILES });
  const hint = 'run fewer threads, or raise the limit: see `ulimit -u`, and pids.max of the control group';
  return systemError(isErrnoName(name) ? name : 'EAGAIN', 'pthread_create', { cause, hint });
}
