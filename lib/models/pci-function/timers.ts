/** The calls that a model scheduled. Thread: the model's, between two requests. */
export class Timers {
  #timers: { readonly due: number; readonly callback: () => void }[] = [];

  /** Schedules a call. @returns a function that cancels it */
  schedule(milliseconds: number, callback: () => void): () => void {
    const timer = { due: performance.now() + Math.max(0, milliseconds), callback };
    const after = this.#timers.findIndex((other) => other.due > timer.due);
    this.#timers.splice(after < 0 ? this.#timers.length : after, 0, timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  /** Runs the calls that are due. Calls that they schedule run next time. @returns milliseconds until the next, or Infinity */
  run(): number {
    if (this.#timers.length === 0) return Infinity;
    const now = performance.now();
    for (let due = this.#dueCount(now); due > 0; due -= 1) {
      const timer = this.#timers[0];
      if (timer === undefined || timer.due > now) break;
      this.#timers.shift();
      timer.callback();
    }
    const next = this.#timers[0];
    return next === undefined ? Infinity : Math.max(0, next.due - performance.now());
  }

  #dueCount(now: number): number {
    return this.#timers.filter((timer) => timer.due <= now).length;
  }
}
