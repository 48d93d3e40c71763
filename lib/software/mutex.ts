/**
 * A lock of the kernel's that may be held across an `await`. Holders come in the order in which they asked. It is not
 * recursive, and it never times out: what runs under it ends by itself.
 */
export class Mutex {
  #tail: Promise<void> = Promise.resolve();

  /** Runs `body` alone. @returns what `body` returns */
  async run<T>(body: () => Promise<T> | T): Promise<T> {
    const before = this.#tail;
    let unlock = (): void => undefined;
    this.#tail = new Promise((resolve) => {
      unlock = resolve;
    });
    await before;
    try {
      return await body();
    } finally {
      unlock();
    }
  }
}
