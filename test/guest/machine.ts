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
 * @param args QEMU's arguments
 */
export async function runMachine(args: readonly string[], options: RunOptions): Promise<GuestRun> {
  const started = performance.now();
  const log = new ConsoleLog();
  let bootMs: number | undefined;
  let early: GuestEnd | undefined;

  const qemu = startQemu(args);
  const end = (reason: GuestEnd): void => {
    early ??= reason;
    qemu.kill('SIGKILL');
  };
  const deadline = setTimeout(() => end({ kind: 'deadline', afterMs: options.deadlineMs }), options.deadlineMs);
  const silence = setTimeout(() => end({ kind: 'silent', afterMs: options.silenceMs }), options.silenceMs);
  const onStop = (): void => end({ kind: 'stopped', signal: options.stop.reason as NodeJS.Signals });
  options.stop.addEventListener('abort', onStop, { once: true });
  if (options.stop.aborted) onStop();

  let powerOff: NodeJS.Timeout | undefined;
  const onControl = (text: string): void => {
    options.control.push(text);
    if (options.control.booted) bootMs ??= performance.now() - started;
    if (options.control.exitCode !== undefined) powerOff ??= setTimeout(() => qemu.kill('SIGKILL'), POWER_OFF_MS);
  };
  for (const stream of channels(qemu)) stream.on('data', () => silence.refresh());
  channel(qemu, 'stdout').pipe(options.stdout, { end: false });
  channel(qemu, 'stderr').pipe(options.stderr, { end: false });
  channel(qemu, 'control').setEncoding('utf8').on('data', onControl);
  channel(qemu, 'console')
    .setEncoding('latin1')
    .on('data', (text: string) => {
      log.push(text);
      options.echoConsole?.write(text);
    });

  const detail = await ended(qemu);
  for (const timer of [deadline, silence, powerOff]) clearTimeout(timer);
  options.stop.removeEventListener('abort', onStop);
  return {
    end: verdict(options.control, log, early, detail),
    console: log,
    bootMs,
    totalMs: performance.now() - started,
  };
}

/** An exit code that has arrived stands; else a panic explains more than the silence that follows it. */
function verdict(control: ControlChannel, log: ConsoleLog, early: GuestEnd | undefined, detail: string): GuestEnd {
  if (early?.kind === 'stopped') return early;
  if (control.exitCode !== undefined) return { kind: 'exit', code: control.exitCode };
  if (log.panic !== undefined) return { kind: 'panic', line: log.panic };
  return early ?? { kind: 'died', detail };
}

/** Starts QEMU so that it dies with this process, even by SIGKILL: setpriv asks the kernel for that and then execs. */
function startQemu(args: readonly string[]): ChildProcess {
  return spawn('setpriv', ['--pdeathsig', 'KILL', 'qemu-system-x86_64', ...args], {
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
