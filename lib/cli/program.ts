import { readFileSync } from 'node:fs';

import { Command } from 'commander';

import { reportFailure } from './failure-report.js';

/** Adds a command to the program. */
export type AddCommand = (program: Command) => void;

/**
 * Runs the command line.
 * @param argv the arguments without node and the script
 * @returns the exit code
 */
export async function runProgram(argv: readonly string[], commands: readonly AddCommand[]): Promise<number> {
  const program = new Command('vfio-engine')
    .description('Attach devices by VFIO: list them, inspect them, read and write their regions, run the main job.')
    .version(packageVersion(), '--version', 'print the version of the package')
    .option('--verbose', 'show the stack and the causes of an error')
    .showHelpAfterError('(see --help)')
    .exitOverride();
  // Added after exitOverride: program.command() passes it on only to commands that it creates later.
  for (const add of commands) add(program);
  try {
    await program.parseAsync(argv, { from: 'user' });
    return Number(process.exitCode ?? 0);
  } catch (error) {
    return reportFailure(error, program.opts<{ verbose?: boolean }>().verbose === true);
  }
}

function packageVersion(): string {
  const text = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { readonly version: string }).version;
}
