// `npm run test:guest` boots each profile, runs mocha on its specs inside and adds up the counts. The last line is the sum.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { finished } from 'node:stream/promises';
import { Command, Option } from 'commander';
import { addCounts, type Counts, countsLine, isGreen, NO_COUNTS } from '../support/counts.js';
import { kernelImage, NotSetUpError } from './checkout.js';
import { PROFILE_NAMES, PROFILES, type ProfileName } from './profiles.js';
import { stopOnSignals } from './signals.js';
import { runSpecs } from './specs.js';
import { EXIT } from './verdict.js';

interface Options {
  readonly profile?: ProfileName;
  readonly grep?: string;
  readonly counts?: string;
}

/** More than the size of a report, so that a guest whose report waits is not blocked. */
const REPORT_BYTES = 64 << 20;

await new Command('test:guest')
  .description('Runs the guest specs in a guest with a VFIO kernel.')
  .addOption(new Option('--profile <name>', 'run this boot profile only').choices(PROFILE_NAMES))
  .option('--grep <pattern>', 'run only the tests whose names match')
  .option('--counts <file>', 'write the counts to this file as JSON')
  .action(async (options: Options) => {
    process.exitCode = await main(options);
  })
  .parseAsync();

async function main(options: Options): Promise<number> {
  try {
    kernelImage();
  } catch (error) {
    if (!(error instanceof NotSetUpError)) throw error;
    console.error(`test:guest: ${error.message}`);
    return EXIT.notSetUp;
  }
  const results = mkdtempSync(join(tmpdir(), 'vfio-guest-results-'));
  try {
    return await runProfiles(options, results);
  } finally {
    rmSync(results, { recursive: true, force: true });
  }
}

/** @returns 0 if every profile ran a test and no test failed, else 1 */
async function runProfiles(options: Options, results: string): Promise<number> {
  const profiles = options.profile === undefined ? PROFILE_NAMES : [options.profile];
  const runs = startAll(profiles, options, results);
  let sum = NO_COUNTS;
  let green = true;
  for (const [index, { run, report }] of runs.entries()) {
    if (index > 0) report.pipe(process.stdout, { end: false });
    const counts = await run();
    // The report is complete before the counts are printed.
    report.end();
    await finished(report);
    sum = addCounts(sum, counts);
    green &&= isGreen(counts);
  }
  if (options.counts !== undefined) writeFileSync(options.counts, `${JSON.stringify(sum)}\n`);
  console.log(countsLine(sum));
  return green ? 0 : 1;
}

interface ProfileRun {
  readonly run: () => Promise<Counts>;
  readonly report: PassThrough;
}

/**
 * Boots the profiles at the same time if there is a CPU for each, else one after the other. Reports are printed in order: that of
 * a later profile waits for the earlier ones.
 */
function startAll(profiles: readonly ProfileName[], { grep }: Options, results: string): ProfileRun[] {
  const stop = stopOnSignals();
  const sideBySide = availableParallelism() >= profiles.length;
  return profiles.map((profile, index) => {
    const report = new PassThrough({ highWaterMark: REPORT_BYTES });
    if (index === 0) report.pipe(process.stdout, { end: false });
    const start = (): Promise<Counts> => {
      report.write(`guest ${profile}: ${PROFILES[profile].summary}\n`);
      return runSpecs({
        profile,
        grep,
        results: join(results, profile),
        stdout: report,
        aside: index > 0 && sideBySide,
        stop,
      });
    };
    if (!sideBySide) return { report, run: start };
    const running = start();
    // `run` reports a failure later; until then it must not count as an unhandled rejection.
    running.catch(() => undefined);
    return { report, run: () => running };
  });
}
