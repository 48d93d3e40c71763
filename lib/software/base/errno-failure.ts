import { systemError, type SystemErrorContext } from '../../base/errors.js';
import type { ErrnoName } from '../../uapi/errno.js';

/** A call of the software core failed with an errno. The process adds the name of the system call to it. */
export class ErrnoFailure extends Error {
  constructor(readonly code: ErrnoName) {
    super(code);
  }
}

/** Ends the running call with an errno. @throws ErrnoFailure always */
export function failWith(code: ErrnoName): never {
  throw new ErrnoFailure(code);
}

/**
 * Runs the body of a system call that answers at once.
 * @throws VfioError, with the errno and the name of the call, for an `ErrnoFailure` of the body; other errors unchanged
 */
export function runSyscall<T>(syscall: string, context: SystemErrorContext, body: () => T): T {
  try {
    return body();
  } catch (error) {
    throw named(error, syscall, context);
  }
}

/** Runs the body of a system call that can wait. @throws as `runSyscall` */
export async function runSyscallAsync<T>(
  syscall: string,
  context: SystemErrorContext,
  body: () => Promise<T> | T,
): Promise<T> {
  try {
    return await body();
  } catch (error) {
    throw named(error, syscall, context);
  }
}

function named(error: unknown, syscall: string, context: SystemErrorContext): unknown {
  return error instanceof ErrnoFailure ? systemError(error.code, syscall, { ...context, cause: error.cause }) : error;
}
