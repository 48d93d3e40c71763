/** Work that is done once, for whoever asks; when it has failed, who asks next has it done again. Thread: one. */
export class Once<T> {
  #begun: Promise<T> | undefined;

  /** What it comes to, or came to; undefined while nobody has asked. */
  get begun(): Promise<T> | undefined {
    return this.#begun;
  }

  /** Does the work, or shares what is being done or was done. */
  run(work: () => Promise<T>): Promise<T> {
    this.#begun ??= work().catch((error: unknown) => {
      this.#begun = undefined;
      throw error;
    });
    return this.#begun;
  }
}
