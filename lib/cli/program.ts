import { Command } from 'commander';

import { reportFailure } from './failure-report.js';

/** The signature of what adds a command to the program. */
export type AddCommand = (program: Command) => void;

/**
 * Runs the command line.
 * @param argv the arguments without node and the script
 * @returns the exit code
 */
export async function runProgram(argv: readonly string[], commands: readonly AddCommand[]): Promise<number> {
  const program = new Command('vfio-engine')
    .description('Attach devices by VFIO: list and look into them, read and write their regions, run the engine.')
    .option('--verbose', 'show the stack and the causes of an error')
    .showHelpAfterError('(--help shows how it is used)')
    .exitOverride();
  // exitOverride is inherited by what program.command() makes, and only then.
  for (const add of commands) add(program);
  try {
    await program.parseAsync(argv, { from: 'user' });
    return Number(process.exitCode ?? 0);
  } catch (error) {
    return reportFailure(error, program.opts<{ verbose?: boolean }>().verbose === true);
  }
}
