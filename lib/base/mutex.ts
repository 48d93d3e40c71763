/** Runs sections one after the other, in the order in which they were asked for. Not recursive. Thread: one. */
export class Mutex {
  #held = false;
  readonly #waiting: (() => void)[] = [];

  /**
   * Runs a section after all earlier ones have ended, even if they failed. If none is running, the section starts at once.
   * A section that calls `run` of the same mutex gets the next turn: awaiting that in the section would never end.
   * @returns a promise of the section's result, which rejects if the section throws or rejects
   */
  run<T>(section: () => Promise<T> | T): Promise<T> {
    const result = this.#held ? this.#turn().then(section) : this.#start(section);
    result.then(this.#release, this.#release);
    return result;
  }

  #start<T>(section: () => Promise<T> | T): Promise<T> {
    // Before the section starts: the section itself can lead to another call of `run`, which has to wait.
    this.#held = true;
    return started(section);
  }

  #turn(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Gives the mutex to the next section, or to nobody. */
  readonly #release = (): void => {
    const next = this.#waiting.shift();
    if (next === undefined) this.#held = false;
    else next();
  };
}

/** Runs a section now. @returns a promise of its result, which rejects if the section throws */
export function started<T>(section: () => Promise<T> | T): Promise<T> {
  try {
    const result = section();
    return result instanceof Promise ? result : Promise.resolve(result);
  } catch (error) {
    return Promise.reject(error instanceof Error ? error : new Error(String(error)));
  }
}

/**
 * Runs shared sections side by side and exclusive sections alone. A shared section does not overtake an exclusive one that
 * waits. Thread: the one that made it.
 */
export class Gate {
  readonly #alone = new Mutex();
  /** How many shared sections run now. */
  #running = 0;
  /** How many exclusive sections wait or run. */
  #waiting = 0;
  /** Resolves when the last shared section has ended; an exclusive section waits for it. */
  #quiet: (() => void) | undefined;

  /** Runs a section beside other shared sections, but not beside an exclusive one. */
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

  /** Runs a section alone, after all sections that run now. */
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
