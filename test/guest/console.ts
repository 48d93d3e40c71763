/** How much of the kernel's console is kept for the report of a failure, in characters. */
const KEPT = 65536;

/** The kernel's console: its last part, and whether the kernel said that it died. */
export class ConsoleLog {
  #text = '';
  #panic: string | undefined;

  /** The line in which the kernel says why it gave up. */
  get panic(): string | undefined {
    return this.#panic;
  }

  push(text: string): void {
    this.#text = (this.#text + text).slice(-KEPT);
    this.#panic ??= /Kernel panic - not syncing[^\r\n]*(?=[\r\n])/.exec(this.#text)?.[0];
  }

  /** The last lines, for a person to read. */
  tail(lines: number): string {
    return this.#text.replaceAll('\r', '').trimEnd().split('\n').slice(-lines).join('\n');
  }
}
