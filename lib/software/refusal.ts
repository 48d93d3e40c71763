import { systemError, type SystemErrorContext } from '../base/errors.js';
import type { ErrnoName } from '../uapi/errno.js';

/** An answer that the state machine gives instead of doing what was asked; the process names the call around it. */
export class Refusal extends Error {
  constructor(readonly code: ErrnoName) {
    super(code);
  }
}

/** Answers with an errno. */
export function refuse(code: ErrnoName): never {
  throw new Refusal(code);
}

/** Runs a call that answers at once, and gives its refusals the name of the call. */
export function answer<T>(syscall: string, context: SystemErrorContext, body: () => T): T {
  try {
    return body();
  } catch (error) {
    throw named(error, syscall, context);
  }
}

/** Runs a call that may wait, and gives its refusals the name of the call. */
export async function answerLater<T>(
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
  return error instanceof Refusal ? systemError(error.code, syscall, { ...context, cause: error.cause }) : error;
}
