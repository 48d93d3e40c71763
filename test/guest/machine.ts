import { spawn, type ChildProcess } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { ConsoleLog } from './console.js';
import type { ControlChannel } from './control.js';
import { CHANNEL_FDS } from './qemu.js';

/** How a run of the guest ended. */
export type GuestEnd =
  | { readonly kind: 'exit'; readonly code: number }
  | { readonly kind: 'panic'; readonly line: string }
  /** The overall deadline passed, or nothing came from the guest for too long. */
  | { readonly kind: 'deadline' | 'silent'; readonly afterMs: number }
  /** QEMU ended before the command did. */
  | { readonly kind: 'died'; readonly detail: string }
  | { readonly kind: 'stopped'; readonly signal: NodeJS.Signals };

export interface RunOptions {
  readonly control: ControlChannel;
  /** The guest's console goes on here beside the log, undefined for nowhere. */
  readonly echoConsole: Writable | undefined;
  readonly stdout: Writable;
  readonly stderr: Writable;
  readonly deadlineMs: number;
  readonly silenceMs: number;
  /** Aborting it, with a signal's name as the reason, ends QEMU. */
  readonly stop: AbortSignal;
}

export interface GuestRun {
  readonly end: GuestEnd;
  readonly console: ConsoleLog;
  /** From QEMU's start to the guest's word that it is up; undefined when it never came. */
  readonly bootMs: number | undefined;
  readonly totalMs: number;
}

/** How long the guest may take to power off after it has sent its exit code. */
const POWER_OFF_MS = 15_000;

/**
 * Boots QEMU, passes its output on and waits for its end, whatever that is; leaves no QEMU behind.
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

/** One boot, from QEMU's start to its end. */
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

  /** Sets up everything that may end QEMU early. @returns what takes it down again */
  watch(): () => void {
    const { deadlineMs, silenceMs, stop, stdout, stderr } = this.options;
    const deadline = setTimeout(() => this.#end({ kind: 'deadline', afterMs: deadlineMs }), deadlineMs);
    this.#silence = setTimeout(() => this.#end({ kind: 'silent', afterMs: silenceMs }), silenceMs);
    const onStop = (): void => this.#end({ kind: 'stopped', signal: stop.reason as NodeJS.Signals });
    // Who read the output has gone (`| head`): what is left to say has no reader.
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

  /** An exit code that has arrived stands; else a panic explains more than the silence that follows it. */
  #verdict(detail: string): GuestEnd {
    const { exitCode } = this.options.control;
    if (this.#early?.kind === 'stopped') return this.#early;
    if (exitCode !== undefined) return { kind: 'exit', code: exitCode };
    if (this.#log.panic !== undefined) return { kind: 'panic', line: this.#log.panic };
    return this.#early ?? { kind: 'died', detail };
  }
}

/** Starts QEMU so that it dies with this process, even by SIGKILL: setpriv asks the kernel for that and then execs. */
function startQemu(command: readonly string[]): ChildProcess {
  return spawn('setpriv', ['--pdeathsig', 'KILL', ...command], {
    stdio: ['ignore', 'pipe', 'pipe', 'pipe', 'pipe', 'pipe', 'pipe'],
    // Ctrl-C at a terminal reaches this process, which decides; QEMU would stop at once and look like a crash.
    detached: true,
  });
}

/** Waits until QEMU and its channels are closed. @returns what it said of itself */
function ended(qemu: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let said = '';
    qemu.stdout?.setEncoding('utf8').on('data', (text: string) => (said += text));
    qemu.stderr?.setEncoding('utf8').on('data', (text: string) => (said += text));
    qemu.on('error', reject);
    qemu.on('close', (code, signal) => resolve(`QEMU ended (${signal ?? `exit code ${code}`}) ${said.trim()}`.trim()));
  });
}

function channels(qemu: ChildProcess): Readable[] {
  return (Object.keys(CHANNEL_FDS) as (keyof typeof CHANNEL_FDS)[]).map((name) => channel(qemu, name));
}

/** The host's end of a channel. */
function channel(qemu: ChildProcess, name: keyof typeof CHANNEL_FDS): Readable {
  // The type knows five descriptors; CHANNEL_FDS has as many as were asked for.
  const stdio: readonly unknown[] = qemu.stdio;
  return stdio[CHANNEL_FDS[name]] as Readable;
}
