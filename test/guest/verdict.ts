import { constants } from 'node:os';
import type { GuestRun } from './machine.js';

/** Exit codes of our own, above those a command is likely to have (timeout(1) has 124 for a deadline as well). */
export const EXIT = { died: 121, panic: 122, silent: 123, deadline: 124, notSetUp: 125 } as const;

/** Gives the exit code of a run: the command's own, or one that says how the guest failed. */
export function exitCodeOf(run: GuestRun): number {
  const { end } = run;
  if (end.kind === 'exit') return end.code;
  if (end.kind === 'stopped') return 128 + constants.signals[end.signal];
  return EXIT[end.kind];
}

/** Says in words why the guest gave no exit code; undefined when it did. */
export function complaintOf(run: GuestRun): string | undefined {
  const { end } = run;
  switch (end.kind) {
    case 'exit':
      return undefined;
    case 'panic':
      return `the guest's kernel died: ${end.line}`;
    case 'deadline':
      return `the guest was ended: not done after ${seconds(end.afterMs)}`;
    case 'silent':
      return `the guest was ended: no output for ${seconds(end.afterMs)}`;
    case 'died':
      return `the guest ended before its command did: ${end.detail}`;
    case 'stopped':
      return `stopped by ${end.signal}`;
  }
}

export function seconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(1)} s`;
}

/** How much of the console a complaint shows. */
const CONSOLE_LINES = 40;

/** Writes why the guest failed, with the end of its console, to stderr; nothing when the command gave its exit code. */
export function reportFailure(run: GuestRun): void {
  const complaint = complaintOf(run);
  if (complaint === undefined) return;
  const console = run.console.tail(CONSOLE_LINES);
  if (run.end.kind !== 'stopped' && console !== '') process.stderr.write(`--- the guest's console\n${console}\n---\n`);
  process.stderr.write(`guest: ${complaint}\n`);
}
