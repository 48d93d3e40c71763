import { readFileSync } from 'node:fs';

import { Command } from 'commander';

import { reportFailure } from './failure-report.js';
import { oneLine, printable } from './output.js';

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
    .configureOutput({ outputError: (message, write) => write(withoutControls(message, argv)) })
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

/** Escapes the control characters of the arguments in a message of commander, which has line breaks of its own. */
function withoutControls(message: string, argv: readonly string[]): string {
  const broken = argv.filter((argument) => argument.includes('\n'));
  return printable(broken.reduce((text, argument) => text.replaceAll(argument, oneLine(argument)), message));
}

function packageVersion(): string {
  const text = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { readonly version: string }).version;
}
