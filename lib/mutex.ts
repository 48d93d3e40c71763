/** Runs asynchronous sections one after the other, in the order they asked. Thread: one. */
export class Mutex {
  #last: Promise<unknown> = Promise.resolve();

  /** Runs a section when all before it have ended, however they ended. */
  run<T>(section: () => Promise<T>): Promise<T> {
    const result = this.#last.then(section, section);
    // A section's failure is its caller's to see, not the next section's.
    this.#last = result.then(
      () => undefined,
      () => undefined,
    );
    return result;
  }
}

/** Sections that run side by side, and ones that run alone. One that is to run alone is not overtaken. Thread: one. */
export class Gate {
  readonly #alone = new Mutex();
  readonly #shared = new Set<Promise<unknown>>();
  #waiting = 0;

  /** Runs a section beside other shared ones, and never beside one that runs alone. */
  async shared<T>(section: () => Promise<T>): Promise<T> {
    while (this.#waiting > 0) await this.#alone.run(() => Promise.resolve());
    const running = section();
    this.#shared.add(running);
    try {
      return await running;
    } finally {
      this.#shared.delete(running);
    }
  }

  /** Runs a section when no other one runs. */
  async exclusive<T>(section: () => Promise<T>): Promise<T> {
    this.#waiting += 1;
    try {
      return await this.#alone.run(async () => {
        await Promise.allSettled(this.#shared);
        return section();
      });
    } finally {
      this.#waiting -= 1;
    }
  }
}
