// `npm run test:guest`: boots each profile, runs mocha on its specs inside, adds up. The last line is the counts.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command, Option } from 'commander';
import { addCounts, countsLine, isGreen, NO_COUNTS } from '../support/counts.js';
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

await new Command('test:guest')
  .description('Runs the guest specs in a guest with a kernel that has all of VFIO.')
  .addOption(new Option('--profile <name>', 'this boot profile alone').choices(PROFILE_NAMES))
  .option('--grep <pattern>', 'the tests whose name matches alone')
  .option('--counts <file>', 'write the counts there as JSON')
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

/** @returns 0 when every profile ran a test and none failed */
async function runProfiles(options: Options, results: string): Promise<number> {
  const stop = stopOnSignals();
  const profiles = options.profile === undefined ? PROFILE_NAMES : [options.profile];
  let sum = NO_COUNTS;
  let green = true;
  for (const profile of profiles) {
    console.log(`guest ${profile}: ${PROFILES[profile].summary}`);
    const counts = await runSpecs({ profile, grep: options.grep, results: join(results, profile), stop });
    sum = addCounts(sum, counts);
    green &&= isGreen(counts);
    if (stop.aborted) break;
  }
  if (options.counts !== undefined) writeFileSync(options.counts, `${JSON.stringify(sum)}\n`);
  console.log(countsLine(sum));
  return green ? 0 : 1;
}
