import { VfioError } from './errors.js';

/** A function that undoes one step. */
export type UndoStep = () => Promise<void> | void;

/**
 * A stack of steps that undo the work done so far. They run in reverse order, and all of them run even if some fail.
 * Thread: the one that made it.
 */
export class Unwinding {
  #steps: UndoStep[] = [];

  /** Adds the step that undoes what has just succeeded. */
  push(step: UndoStep): void {
    this.#steps.push(step);
  }

  /** Moves the steps to a new owner. This one has nothing left to undo. */
  release(): Unwinding {
    const owner = new Unwinding();
    owner.#steps = this.#steps;
    this.#steps = [];
    return owner;
  }

  /** Runs all steps. A second call finds no steps. @returns the errors, in the order in which they occurred */
  async run(): Promise<unknown[]> {
    const errors: unknown[] = [];
    for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop()) {
      try {
        const undoing = step();
        // Do not wait for a step that is already done: the next step may start slow work.
        if (undoing !== undefined) await undoing;
      } catch (error) {
        errors.push(error);
      }
    }
    return errors;
  }

  /** Runs all steps after a failure. @returns the failure; errors of the steps become its cause */
  async failed(failure: unknown): Promise<unknown> {
    return withFurther(failure, await this.run());
  }

  /** Runs all steps. @throws the first error, with the further errors as its cause */
  async runOrThrow(): Promise<void> {
    throwFirst(await this.run());
  }
}

/** Waits for all promises, even if some fail. @throws the first error, with the further errors as its cause */
export async function allOf<T extends readonly unknown[] | []>(
  doing: T,
): Promise<{ -readonly [K in keyof T]: Awaited<T[K]> }> {
  // A promise may fail while an earlier one is awaited: its error is handled when its turn comes.
  for (const each of doing) if (each instanceof Promise) each.catch(() => undefined);
  const values: unknown[] = [];
  const errors: unknown[] = [];
  for (const each of doing) {
    try {
      values.push(each instanceof Promise ? await each : each);
    } catch (error) {
      errors.push(error);
    }
  }
  throwFirst(errors);
  return values as { -readonly [K in keyof T]: Awaited<T[K]> };
}

/** Throws the first of some errors, with the further errors as its cause. Does nothing if there are none. */
export function throwFirst(errors: readonly unknown[]): void {
  if (errors.length > 0) throw withFurther(errors[0], errors.slice(1));
}

/** Returns the first error with the further errors as its cause, in an AggregateError. */
export function withFurther(first: unknown, further: readonly unknown[]): unknown {
  if (further.length === 0 || !(first instanceof Error)) return first;
  const causes = first.cause === undefined ? further : [first.cause, ...further];
  const cause = new AggregateError(causes, 'further errors while undoing');
  if (!(first instanceof VfioError)) {
    first.cause = cause;
    return first;
  }
  const { code, errno, syscall, device, path, hint, stack } = first;
  const suffix = hint === undefined ? '' : ` (${hint})`;
  const message = first.message.slice(0, first.message.length - suffix.length);
  const error = new VfioError(message, { code, errno, syscall, device, path, hint, cause });
  if (stack !== undefined) error.stack = stack;
  return error;
}
