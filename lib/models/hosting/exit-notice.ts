import type { VfioError } from '../../base/errors.js';

/** Called when a model has ended, with the error that ended it if there was one. */
export type ExitListener = (error: VfioError | undefined) => void;

/** Reports the end of a model's thread or process once to every listener, whether it came before or after the end. */
export class ExitNotice {
  readonly #listeners: ExitListener[] = [];
  #ended = false;
  #error: VfioError | undefined;

  get ended(): boolean {
    return this.#ended;
  }

  /** Records why the model ends, until `tell` reports it. The first error is kept. */
  blame(error: VfioError): void {
    this.#error ??= error;
  }

  /** Reports the end to all listeners. Later calls do nothing. */
  tell(): void {
    if (this.#ended) return;
    this.#ended = true;
    for (const listener of this.#listeners.splice(0)) listener(this.#error);
  }

  /** Adds a listener. If the model has ended, the listener is called in a microtask. */
  listen(listener: ExitListener): void {
    if (this.#ended) queueMicrotask(() => listener(this.#error));
    else this.#listeners.push(listener);
  }

  /** Waits for the end. @returns false if it did not come within `milliseconds` */
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
