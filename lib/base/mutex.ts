/** Runs asynchronous sections one after the other, in the order they asked. Thread: one. */
export class Mutex {
  /** The end of the last section, undefined when there is none to wait for. */
  #last: Promise<unknown> | undefined;

  /** Runs a section when all before it have ended, however they ended: at once where there is none. */
  run<T>(section: () => Promise<T>): Promise<T> {
    const result = this.#last === undefined ? started(section) : this.#last.then(section, section);
    const ended = (): void => {
      if (this.#last === last) this.#last = undefined;
    };
    // A section's failure is its caller's to see, not the next section's.
    const last: Promise<void> = result.then(ended, ended);
    this.#last = last;
    return result;
  }
}

/** Starts a section now; one that throws instead of rejecting rejects too. */
export function started<T>(section: () => Promise<T>): Promise<T> {
  try {
    return section();
  } catch (error) {
    return Promise.reject(error instanceof Error ? error : new Error(String(error)));
  }
}

/** Sections that run side by side, and ones that run alone. One that is to run alone is not overtaken. Thread: one. */
export class Gate {
  readonly #alone = new Mutex();
  /** How many run side by side now. */
  #running = 0;
  /** How many are to run alone, or do. */
  #waiting = 0;
  /** Tells the first of those that nothing else runs. */
  #quiet: (() => void) | undefined;

  /** Runs a section beside other shared ones, and never beside one that runs alone. */
  async shared<T>(section: () => Promise<T>): Promise<T> {
    while (this.#waiting > 0) await this.#alone.run(() => Promise.resolve());
    this.#running += 1;
    try {
      return await section();
    } finally {
      this.#running -= 1;
      if (this.#running === 0) this.#quiet?.();
    }
  }

  /** Runs a section when no other one runs. */
  async exclusive<T>(section: () => Promise<T>): Promise<T> {
    this.#waiting += 1;
    try {
      return await this.#alone.run(async () => {
        if (this.#running > 0) await this.#untilQuiet();
        return section();
      });
    } finally {
      this.#waiting -= 1;
    }
  }

  async #untilQuiet(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#quiet = resolve;
    });
    this.#quiet = undefined;
  }
}
