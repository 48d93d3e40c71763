import { CommanderError } from 'commander';

import { plainMessage, VfioError } from '../base/errors.js';
import { withPermission } from '../base/permission.js';
import { oneLine, printable } from './output.js';

/** The exit codes of the command. */
const EXIT_OK = 0;
export const EXIT_FAILED = 1;
const EXIT_USAGE = 2;

/**
 * Prints a failure on standard error: the message and the hint, or with `verbose` the stack and the causes.
 * @returns the exit code
 */
export function reportFailure(error: unknown, verbose: boolean, write: (text: string) => void = toStderr): number {
  // commander has printed its message already. Its exit code is 0 for --help.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT_OK : EXIT_USAGE;
  const failure = withPermission(error);
  write(verbose ? `${printable(withCauses(failure))}\n` : `${messageAndHint(failure)}\n`);
  return EXIT_FAILED;
}

function toStderr(text: string): void {
  process.stderr.write(text);
}

function messageAndHint(error: unknown): string {
  if (!(error instanceof VfioError)) return `error: ${oneLine(error instanceof Error ? error.message : String(error))}`;
  const { hint } = error;
  if (hint === undefined) return `error: ${oneLine(error.message)}`;
  return `error: ${oneLine(plainMessage(error))}\nhint: ${oneLine(hint)}`;
}

function withCauses(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const stack = error.stack ?? error.message;
  return error.cause === undefined ? stack : `${stack}\ncaused by: ${withCauses(error.cause)}`;
}
