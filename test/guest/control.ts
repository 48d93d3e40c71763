/**
 * The guest's control channel: lines of `TOKEN booted` and `TOKEN exit N` on a port of its own. The token is drawn anew
 * for each run, so that nothing a test prints, wherever it ends up, counts as the command's exit code.
 */
export class ControlChannel {
  #rest = '';
  #booted = false;
  #exitCode: number | undefined;

  constructor(readonly token: string) {}

  get booted(): boolean {
    return this.#booted;
  }

  /** The command's exit code, 0 to 255, once the guest has sent it. */
  get exitCode(): number | undefined {
    return this.#exitCode;
  }

  /** Takes the next piece of the channel's text; a line may come in several. */
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
