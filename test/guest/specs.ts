import { join } from 'node:path';
import type { Writable } from 'node:stream';
import { NO_COUNTS, readCounts, type Counts } from '../support/counts.js';
import { CHECKOUT } from './checkout.js';
import { GUEST_DEFAULTS, runGuest } from './guest.js';
import type { ProfileName } from './profiles.js';
import type { MochaRequest } from './run-mocha.js';
import { complaintOf, exitCodeOf, reportFailure, seconds } from './verdict.js';

/** Code runs about ten times slower in the guest than on the host. */
const TEST_TIMEOUT_MS = 60_000;
/** More than a test's time limit: after this time, mocha itself hangs. */
const SILENCE_MS = 100_000;

/** Without KVM, V8's optimizing compiler costs a short run more time than it saves. */
const IN_TCG = ['--no-opt', '--no-sparkplug'];

export interface SpecsRequest {
  readonly profile: ProfileName;
  /** Mocha's --grep; undefined for all tests. */
  readonly grep: string | undefined;
  /** An empty folder for the results. */
  readonly results: string;
  /** Whether the guest has one CPU and QEMU runs at low priority. */
  readonly aside: boolean;
  /** Receives the report. */
  readonly stdout: Writable;
  readonly stop: AbortSignal;
}

/**
 * Boots a profile and runs mocha on its specs inside. The report goes to `stdout`.
 * @returns the counts; a guest that did not finish counts as one failed test
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
      `guest ${request.profile}: booted after ${seconds(run.bootMs)}, off after ${seconds(run.totalMs)}\n`,
    );
  }
  if (complaintOf(run) !== undefined) return { ...NO_COUNTS, failed: 1 };
  return checkedCounts(countsFile, exitCodeOf(run), request.profile);
}

function mochaCommand({ profile, grep }: SpecsRequest, countsFile: string): string[] {
  const request: MochaRequest = { profile, countsFile, timeout: TEST_TIMEOUT_MS, grep };
  return [process.execPath, ...IN_TCG, join(CHECKOUT, 'dist/test/guest/run-mocha.js'), JSON.stringify(request)];
}

/** Compares mocha's exit code with its counts. A mocha that fails without a failed test has crashed, which counts as one failure. */
function checkedCounts(countsFile: string, exitCode: number, profile: ProfileName): Counts {
  let counts: Counts;
  try {
    counts = readCounts(countsFile);
  } catch (error) {
    console.error(`guest ${profile}: mocha exited with ${exitCode} and wrote no counts: ${String(error)}`);
    return { ...NO_COUNTS, failed: 1 };
  }
  if (exitCode === 0 || counts.failed > 0) return counts;
  console.error(`guest ${profile}: mocha exited with ${exitCode}, but no test failed`);
  return { ...counts, failed: 1 };
}
