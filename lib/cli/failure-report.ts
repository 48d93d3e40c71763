import { CommanderError } from 'commander';

import { VfioError } from '../base/errors.js';

/** Exit codes of the command. */
export const EXIT_OK = 0;
export const EXIT_FAILED = 1;
export const EXIT_USAGE = 2;

/**
 * Tells the user of a failure on standard error: the message and what to do, the stack and the causes when asked for.
 * @returns the exit code
 */
export function reportFailure(error: unknown, verbose: boolean, write: (text: string) => void = toStderr): number {
  // commander has already printed its own message; help and --version are no failures.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT_OK : EXIT_USAGE;
  write(verbose ? `${inFull(error)}\n` : `${inShort(error)}\n`);
  return EXIT_FAILED;
}

function toStderr(text: string): void {
  process.stderr.write(text);
}

function inShort(error: unknown): string {
  if (!(error instanceof VfioError)) return `error: ${error instanceof Error ? error.message : String(error)}`;
  const { hint } = error;
  if (hint === undefined) return `error: ${error.message}`;
  return `error: ${error.message.replace(` (${hint})`, '')}\nhint: ${hint}`;
}

function inFull(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const stack = error.stack ?? error.message;
  return error.cause === undefined ? stack : `${stack}\ncaused by: ${inFull(error.cause)}`;
}
