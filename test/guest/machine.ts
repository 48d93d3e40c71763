import { spawn, type ChildProcess } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { ConsoleLog } from './console.js';
import type { ControlChannel } from './control.js';
import { CHANNEL_FDS } from './qemu.js';

/** How a run of the guest ended. */
type GuestEnd =
  | { readonly kind: 'exit'; readonly code: number }
  | { readonly kind: 'panic'; readonly line: string }
  /** The guest ran longer than its deadline, or sent nothing for too long. */
  | { readonly kind: 'deadline' | 'silent'; readonly afterMs: number }
  /** QEMU ended before the command did. */
  | { readonly kind: 'died'; readonly detail: string }
  | { readonly kind: 'stopped'; readonly signal: NodeJS.Signals };

export interface RunOptions {
  readonly control: ControlChannel;
  /** Receives the guest's console while it runs; undefined: the console goes to the log only. */
  readonly echoConsole: Writable | undefined;
  readonly stdout: Writable;
  readonly stderr: Writable;
  readonly deadlineMs: number;
  readonly silenceMs: number;
  /** Aborting it ends QEMU. The reason is the name of a signal. */
  readonly stop: AbortSignal;
}

export interface GuestRun {
  readonly end: GuestEnd;
  readonly console: ConsoleLog;
  /** From QEMU's start to the guest's message that it has booted; undefined if that message did not arrive. */
  readonly bootMs: number | undefined;
  readonly totalMs: number;
}

/** How long the guest may take to power off after it has sent its exit code. */
const POWER_OFF_MS = 15_000;

/**
 * Starts QEMU, forwards its output and waits for its exit. QEMU has exited in every case when this settles.
 * @param command QEMU and its arguments
 */
export async function runMachine(command: readonly string[], options: RunOptions): Promise<GuestRun> {
  const machine = new Machine(startQemu(command), options);
  const release = machine.watch();
  machine.connect();
  try {
    return await machine.finish();
  } finally {
    release();
  }
}

/** One boot, from QEMU's start to its exit. */
class Machine {
  readonly #started = performance.now();
  readonly #log = new ConsoleLog();
  #bootMs: number | undefined;
  #early: GuestEnd | undefined;
  #silence: NodeJS.Timeout | undefined;
  #powerOff: NodeJS.Timeout | undefined;

  constructor(
    readonly qemu: ChildProcess,
    readonly options: RunOptions,
  ) {}

  /** Starts the timers and listeners that can end QEMU early. @returns a function that removes them */
  watch(): () => void {
    const { deadlineMs, silenceMs, stop, stdout, stderr } = this.options;
    const deadline = setTimeout(() => this.#end({ kind: 'deadline', afterMs: deadlineMs }), deadlineMs);
    this.#silence = setTimeout(() => this.#end({ kind: 'silent', afterMs: silenceMs }), silenceMs);
    const onStop = (): void => this.#end({ kind: 'stopped', signal: stop.reason as NodeJS.Signals });
    // The reader of the output has exited, as `head` does.
    const onError = (): void => this.#end({ kind: 'stopped', signal: 'SIGPIPE' });
    stop.addEventListener('abort', onStop, { once: true });
    for (const stream of [stdout, stderr]) stream.on('error', onError);
    if (stop.aborted) onStop();
    return () => {
      for (const timer of [deadline, this.#silence, this.#powerOff]) clearTimeout(timer);
      stop.removeEventListener('abort', onStop);
      for (const stream of [stdout, stderr]) stream.off('error', onError);
    };
  }

  /** Connects the channels. */
  connect(): void {
    for (const stream of channels(this.qemu)) stream.on('data', () => this.#silence?.refresh());
    channel(this.qemu, 'stdout').pipe(this.options.stdout, { end: false });
    channel(this.qemu, 'stderr').pipe(this.options.stderr, { end: false });
    const console = channel(this.qemu, 'console').setEncoding('latin1');
    console.on('data', (text: string) => {
      this.#log.push(text);
      this.options.echoConsole?.write(text);
    });
    const control = channel(this.qemu, 'control').setEncoding('utf8');
    control.on('data', (text: string) => this.#onControl(text));
  }

  async finish(): Promise<GuestRun> {
    const detail = await ended(this.qemu);
    const totalMs = performance.now() - this.#started;
    return { end: this.#verdict(detail), console: this.#log, bootMs: this.#bootMs, totalMs };
  }

  #end(reason: GuestEnd): void {
    this.#early ??= reason;
    this.qemu.kill('SIGKILL');
  }

  #onControl(text: string): void {
    const { control } = this.options;
    control.push(text);
    if (control.booted) this.#bootMs ??= performance.now() - this.#started;
    if (control.exitCode !== undefined) this.#powerOff ??= setTimeout(() => this.qemu.kill('SIGKILL'), POWER_OFF_MS);
  }

  /** An exit code that has arrived decides. A panic comes before the silence that follows it, because it explains more. */
  #verdict(detail: string): GuestEnd {
    const { exitCode } = this.options.control;
    if (this.#early?.kind === 'stopped') return this.#early;
    if (exitCode !== undefined) return { kind: 'exit', code: exitCode };
    if (this.#log.panic !== undefined) return { kind: 'panic', line: this.#log.panic };
    return this.#early ?? { kind: 'died', detail };
  }
}

/** Starts QEMU through setpriv, so that the kernel kills QEMU when this process dies, even by SIGKILL. */
function startQemu(command: readonly string[]): ChildProcess {
  return spawn('setpriv', ['--pdeathsig', 'KILL', ...command], {
    stdio: ['ignore', 'pipe', 'pipe', 'pipe', 'pipe', 'pipe', 'pipe'],
    // In a process group of its own, QEMU does not receive the terminal's Ctrl-C. It would exit at once, like a crash.
    detached: true,
  });
}

/** Waits until QEMU has exited and its channels are closed. @returns its exit status and its output */
function ended(qemu: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let said = '';
    qemu.stdout?.setEncoding('utf8').on('data', (text: string) => (said += text));
    qemu.stderr?.setEncoding('utf8').on('data', (text: string) => (said += text));
    qemu.on('error', reject);
    qemu.on('close', (code, signal) => resolve(`${signal ?? `exit code ${code}`}: ${said.trim()}`));
  });
}

function channels(qemu: ChildProcess): Readable[] {
  return (Object.keys(CHANNEL_FDS) as (keyof typeof CHANNEL_FDS)[]).map((name) => channel(qemu, name));
}

/** @returns the host's end of a channel */
function channel(qemu: ChildProcess, name: keyof typeof CHANNEL_FDS): Readable {
  // The type has five descriptors; CHANNEL_FDS names all that were requested.
  const stdio: readonly unknown[] = qemu.stdio;
  return stdio[CHANNEL_FDS[name]] as Readable;
}
