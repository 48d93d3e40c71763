/**
 * The guest's control channel: a port that carries the lines `TOKEN booted` and `TOKEN exit N`. Each run has a new random
 * token, so that no output of a test is taken for the command's exit code.
 */
export class ControlChannel {
  #rest = '';
  #booted = false;
  #exitCode: number | undefined;

  constructor(readonly token: string) {}

  get booted(): boolean {
    return this.#booted;
  }

  /** The command's exit code, 0 to 255; undefined until the guest has sent it. */
  get exitCode(): number | undefined {
    return this.#exitCode;
  }

  /** Reads the next part of the channel's text. A line can arrive in several parts. */
  push(text: string): void {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) this.#accept(line.trim());
  }

  #accept(line: string): void {
    if (line === `${this.token} booted`) this.#booted = true;
    const code = /^exit (\d{1,3})$/.exec(line.startsWith(`${this.token} `) ? line.slice(this.token.length + 1) : '');
    if (code !== null) this.#exitCode ??= Number(code[1]);
  }
}
