import { VfioError } from '../../base/errors.js';

/** How long a model's thread or process has to start, and to end before it is ended by force. */
export const START_MS = 10_000;
export const STOP_MS = 2_000;

/** The end of a model's thread or process: told once, to all who asked, before and after. */
export class ExitNotice {
  readonly #listeners: ((error: VfioError | undefined) => void)[] = [];
  #ended = false;
  #error: VfioError | undefined;

  get ended(): boolean {
    return this.#ended;
  }

  get error(): VfioError | undefined {
    return this.#error;
  }

  /** Keeps what went wrong, until the end is told. The first error counts. */
  blame(error: VfioError): void {
    this.#error ??= error;
  }

  tell(): void {
    if (this.#ended) return;
    this.#ended = true;
    for (const listener of this.#listeners.splice(0)) listener(this.#error);
  }

  listen(listener: (error: VfioError | undefined) => void): void {
    if (this.#ended) queueMicrotask(() => listener(this.#error));
    else this.#listeners.push(listener);
  }

  /** Waits for the end. @returns false when the time passed first */
  within(milliseconds: number): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(false), milliseconds);
      this.listen(() => {
        clearTimeout(timer);
        resolve(true);
      });
    });
  }
}

/** Makes the error of a model that did not start in time. */
export function startTimeout(): VfioError {
  return new VfioError(`the model did not start in ${START_MS / 1000} s`, { code: 'ERR_TIMEOUT' });
}

/** Node's own arguments that a model's module may need, as loaders; those that are about the main program are not. */
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
