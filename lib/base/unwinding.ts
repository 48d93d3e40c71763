import { VfioError } from './errors.js';

/** What undoes one step. */
export type UndoStep = () => Promise<void> | void;

/**
 * The steps that undo what has been done so far. They run in the reverse order and all of them, whatever fails.
 * Thread: the one that made it.
 */
export class Unwinding {
  #steps: UndoStep[] = [];

  /** Adds what undoes the step that has just succeeded. */
  push(step: UndoStep): void {
    this.#steps.push(step);
  }

  /** Gives the steps to another owner: this one has nothing left to undo. */
  release(): Unwinding {
    const owner = new Unwinding();
    owner.#steps = this.#steps;
    this.#steps = [];
    return owner;
  }

  /** Undoes everything once; a second call finds nothing to do. @returns the errors, in the order they came */
  async run(): Promise<unknown[]> {
    const errors: unknown[] = [];
    for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop()) {
      try {
        const undoing = step();
        // A step that is done is not waited for: the next one may start what takes its time.
        if (undoing !== undefined) await undoing;
      } catch (error) {
        errors.push(error);
      }
    }
    return errors;
  }

  /** Undoes everything after a failure. @returns the failure, with what the undoing met as the cause */
  async failed(failure: unknown): Promise<unknown> {
    return withFurther(failure, await this.run());
  }

  /** Undoes everything. @throws the first error, with the further ones as its cause */
  async runOrThrow(): Promise<void> {
    throwFirst(await this.run());
  }
}

/** Waits for all that is under way, whatever fails. @throws the first error, with the further ones as its cause */
export async function allOf<T extends readonly unknown[] | []>(
  doing: T,
): Promise<{ -readonly [K in keyof T]: Awaited<T[K]> }> {
  // What fails while an earlier one is waited for is seen when its turn comes.
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

/** Throws the first of some errors, with the further ones as its cause; nothing where there is none. */
export function throwFirst(errors: readonly unknown[]): void {
  if (errors.length > 0) throw withFurther(errors[0], errors.slice(1));
}

/** Keeps the first error in front: the further ones become an AggregateError that is its cause. */
export function withFurther(first: unknown, further: readonly unknown[]): unknown {
  if (further.length === 0 || !(first instanceof Error)) return first;
  const causes = first.cause === undefined ? further : [first.cause, ...further];
  const cause = new AggregateError(causes, 'undoing met further errors');
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
