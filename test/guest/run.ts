#!/usr/bin/env node
// `npm run guest -- COMMAND...` runs a command in the guest, in this checkout, and exits with the command's exit code.
import { Command, InvalidArgumentError, Option } from 'commander';
import { NotSetUpError } from './checkout.js';
import { GUEST_DEFAULTS, runGuest } from './guest.js';
import { PROFILE_NAMES, type ProfileName } from './profiles.js';
import { stopOnSignals } from './signals.js';
import { EXIT, exitCodeOf, reportFailure, seconds } from './verdict.js';

interface Options {
  readonly profile: ProfileName;
  readonly smp: number;
  readonly memory: number;
  readonly deadline: number;
  readonly silence: number;
  readonly env: Readonly<Record<string, string>>;
  readonly out?: string;
  readonly long?: boolean;
  readonly verbose?: boolean;
}

const program = new Command('guest')
  .description(
    "Runs COMMAND in a guest with a VFIO kernel and this machine's files. The guest's changes to files are lost.",
  )
  .argument('<command...>', 'program and arguments; for a pipeline: sh -c "..."')
  .addOption(new Option('--profile <name>', 'boot profile').choices(PROFILE_NAMES).default('default'))
  .option('--smp <cpus>', 'processors', count, GUEST_DEFAULTS.cpus)
  .option('--memory <mib>', 'memory in MiB', count, GUEST_DEFAULTS.memory)
  .option('--deadline <seconds>', 'stop the guest after this time', count, GUEST_DEFAULTS.deadlineMs / 1000)
  .option(
    '--silence <seconds>',
    'stop the guest if it prints nothing for this time',
    count,
    GUEST_DEFAULTS.silenceMs / 1000,
  )
  .option('--long', 'for runs of more than ten minutes: slower, but not stopped by timers that QEMU loses')
  .option('--env <name=value>', "add a variable to the command's environment; can be repeated", variable, {})
  .option('--out <dir>', 'folder that the guest can write under the same path; its name is in GUEST_OUT')
  .option('-v, --verbose', "show the guest's console and the times")
  .passThroughOptions()
  .addHelpText(
    'after',
    `
Exit code: that of the command, or ${EXIT.died}: QEMU exited, ${EXIT.panic}: kernel panic, ${EXIT.silent}: no output, ${EXIT.deadline}: deadline, ${EXIT.notSetUp}: not set up.`,
  )
  .action(async (argv: string[], options: Options) => {
    process.exitCode = await runCommand(argv, options);
  });

await program.parseAsync();

async function runCommand(argv: readonly string[], options: Options): Promise<number> {
  try {
    const run = await runGuest({
      profile: options.profile,
      periodicTick: options.long === true,
      argv,
      env: options.env,
      out: options.out,
      cpus: options.smp,
      memory: options.memory,
      deadlineMs: options.deadline * 1000,
      silenceMs: options.silence * 1000,
      stdout: process.stdout,
      stderr: process.stderr,
      echoConsole: options.verbose === true ? process.stderr : undefined,
      stop: stopOnSignals(),
    });
    reportFailure(run);
    if (options.verbose === true) {
      const boot = run.bootMs === undefined ? 'did not boot' : `booted after ${seconds(run.bootMs)}`;
      process.stderr.write(`guest: ${boot}, off after ${seconds(run.totalMs)}\n`);
    }
    return exitCodeOf(run);
  } catch (error) {
    if (!(error instanceof NotSetUpError)) throw error;
    process.stderr.write(`guest: ${error.message}\n`);
    return EXIT.notSetUp;
  }
}

function count(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('It must be an integer of at least 1.');
  return value;
}

function variable(text: string, earlier: Readonly<Record<string, string>>): Record<string, string> {
  const match = /^([A-Za-z_][A-Za-z0-9_]*)=(.*)$/s.exec(text);
  if (match === null) throw new InvalidArgumentError('It must be NAME=VALUE.');
  return { ...earlier, [match[1] ?? '']: match[2] ?? '' };
}
