import { constants } from 'node:os';
import type { GuestRun } from './machine.js';

/** The runner's exit codes, above those of most commands. timeout(1) also uses 124 for a deadline. */
export const EXIT = { died: 121, panic: 122, silent: 123, deadline: 124, notSetUp: 125 } as const;

/** @returns the command's exit code, or the code for the way in which the guest failed */
export function exitCodeOf(run: GuestRun): number {
  const { end } = run;
  if (end.kind === 'exit') return end.code;
  if (end.kind === 'stopped') return 128 + constants.signals[end.signal];
  return EXIT[end.kind];
}

/** @returns why the guest sent no exit code; undefined if it sent one */
export function complaintOf(run: GuestRun): string | undefined {
  const { end } = run;
  switch (end.kind) {
    case 'exit':
      return undefined;
    case 'panic':
      return `the guest's kernel panicked: ${end.line}`;
    case 'deadline':
      return `the guest was stopped: it had not finished after ${seconds(end.afterMs)}`;
    case 'silent':
      return `the guest was stopped: no output for ${seconds(end.afterMs)}`;
    case 'died':
      return `QEMU exited before the command: ${end.detail}`;
    case 'stopped':
      return `stopped by ${end.signal}`;
  }
}

export function seconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(1)} s`;
}

/** How many lines of the console a report shows. */
const CONSOLE_LINES = 40;

/** Writes to stderr why the guest failed, with the end of its console. Writes nothing if the guest sent an exit code. */
export function reportFailure(run: GuestRun): void {
  const complaint = complaintOf(run);
  if (complaint === undefined) return;
  const console = run.console.tail(CONSOLE_LINES);
  if (run.end.kind !== 'stopped' && console !== '') process.stderr.write(`--- the guest's console\n${console}\n---\n`);
  process.stderr.write(`guest: ${complaint}\n`);
}
