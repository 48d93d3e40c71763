/** How many characters of the kernel's console are kept for the report of a failure. */
const KEPT = 65536;

/** Keeps the end of the kernel's console and looks for a panic. */
export class ConsoleLog {
  #text = '';
  #panic: string | undefined;

  /** The line of the kernel's panic; undefined without one. */
  get panic(): string | undefined {
    return this.#panic;
  }

  push(text: string): void {
    this.#text = (this.#text + text).slice(-KEPT);
    this.#panic ??= /Kernel panic - not syncing[^\r\n]*(?=[\r\n])/.exec(this.#text)?.[0];
  }

  /** @returns the last lines, for the report of a failure */
  tail(lines: number): string {
    return this.#text.replaceAll('\r', '').trimEnd().split('\n').slice(-lines).join('\n');
  }
}
