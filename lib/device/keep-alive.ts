/** The longest interval of a timer, milliseconds. */
const LONGEST_MS = 0x7fff_ffff;

/** Keeps the process alive, as an open socket does, until it is closed or released. Thread: the one that made it. */
export class KeepAlive {
  readonly #timer = setInterval(() => undefined, LONGEST_MS);

  /** Lets the process exit, or no longer. @param keeps whether this keeps the process alive */
  set(keeps: boolean): void {
    if (keeps) this.#timer.ref();
    else this.#timer.unref();
  }

  /** Lets the process exit for good. */
  close(): void {
    clearInterval(this.#timer);
  }
}
