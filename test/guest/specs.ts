import { join } from 'node:path';
import type { Writable } from 'node:stream';
import { NO_COUNTS, readCounts, type Counts } from '../support/counts.js';
import { CHECKOUT } from './checkout.js';
import { GUEST_DEFAULTS, runGuest } from './guest.js';
import type { ProfileName } from './profiles.js';
import type { MochaRequest } from './run-mocha.js';
import { complaintOf, exitCodeOf, reportFailure, seconds } from './verdict.js';

/** Code runs some ten times slower in the guest than on the host. */
const TEST_TIMEOUT_MS = 60_000;
/** Longer than any test may take: past it, mocha itself hangs. */
const SILENCE_MS = 100_000;

/** Without KVM the compiler's threads take more of a short run than what they compile gives back. */
const IN_TCG = ['--no-opt', '--no-sparkplug'];

export interface SpecsRequest {
  readonly profile: ProfileName;
  /** Mocha's --grep, undefined for every test. */
  readonly grep: string | undefined;
  /** An empty folder for the results. */
  readonly results: string;
  /** Whether the guest has to make do with one CPU and the time that others leave. */
  readonly aside: boolean;
  /** Where the report goes. */
  readonly stdout: Writable;
  readonly stop: AbortSignal;
}

/**
 * Boots a profile and runs mocha on its specs inside, with its report on `stdout`.
 * @returns the counts; a guest that did not get through its specs counts as one failed test, so that no sum can hide it
 */
export async function runSpecs(request: SpecsRequest): Promise<Counts> {
  const countsFile = join(request.results, 'counts.json');
  const run = await runGuest({
    ...GUEST_DEFAULTS,
    silenceMs: SILENCE_MS,
    profile: request.profile,
    ...(request.aside ? { aside: true, cpus: 1 } : {}),
    argv: mochaCommand(request, countsFile),
    out: request.results,
    stdout: request.stdout,
    stderr: process.stderr,
    stop: request.stop,
  });
  reportFailure(run);
  if (run.bootMs !== undefined) {
    request.stdout.write(
      `guest ${request.profile}: up after ${seconds(run.bootMs)}, off after ${seconds(run.totalMs)}\n`,
    );
  }
  if (complaintOf(run) !== undefined) return { ...NO_COUNTS, failed: 1 };
  return checkedCounts(countsFile, exitCodeOf(run), request.profile);
}

function mochaCommand({ profile, grep }: SpecsRequest, countsFile: string): string[] {
  const request: MochaRequest = { profile, countsFile, timeout: TEST_TIMEOUT_MS, grep };
  return [process.execPath, ...IN_TCG, join(CHECKOUT, 'dist/test/guest/run-mocha.js'), JSON.stringify(request)];
}

/** Holds mocha's exit code against its counts: one that fails without a failed test has crashed. */
function checkedCounts(countsFile: string, exitCode: number, profile: ProfileName): Counts {
  let counts: Counts;
  try {
    counts = readCounts(countsFile);
  } catch (error) {
    console.error(`guest ${profile}: mocha ended with ${exitCode} and left no counts: ${String(error)}`);
    return { ...NO_COUNTS, failed: 1 };
  }
  if (exitCode === 0 || counts.failed > 0) return counts;
  console.error(`guest ${profile}: mocha ended with ${exitCode} though no test failed`);
  return { ...counts, failed: 1 };
}
