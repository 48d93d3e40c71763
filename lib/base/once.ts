/**
 * Work that is done once and shared by all callers. After a failure the next caller starts it again. Thread: the one that made
 * it.
 */
export class Once<T> {
  #begun: Promise<T> | undefined;

  /** The result, or the promise of it; undefined if no caller has started the work. */
  get begun(): Promise<T> | undefined {
    return this.#begun;
  }

  /** Starts the work, or shares what an earlier caller started. */
  run(work: () => Promise<T>): Promise<T> {
    this.#begun ??= work().catch((error: unknown) => {
      this.#begun = undefined;
      throw error;
    });
    return this.#begun;
  }
}
