// Runs mocha on the specs of a profile, in the guest: by mocha's API, for its command line takes two more seconds to load there.
// Usage: node run-mocha.js '{"profile":…,"countsFile":…,"timeout":…,"grep":…}'. The exit code is 1 when a test failed.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import Mocha from 'mocha';
import CountsReporter from '../support/counts-reporter.js';
import '../support/unhandled-rejections.js';
import type { ProfileName } from './profiles.js';

/** What is to be run. */
export interface MochaRequest {
  readonly profile: ProfileName;
  /** Where the counts go. */
  readonly countsFile: string;
  /** Of one test, milliseconds. */
  readonly timeout: number;
  /** As mocha's --grep. */
  readonly grep?: string | undefined;
}

const SPECS = fileURLToPath(new URL('./specs/', import.meta.url));
/** Twice what a test may take that is not marked as slow, milliseconds. */
const SLOW = 2000;

const { profile, countsFile, timeout, grep } = JSON.parse(process.argv[2] ?? '') as MochaRequest;
const mocha = new Mocha({
  timeout,
  slow: SLOW,
  forbidOnly: true,
  reporter: CountsReporter,
  reporterOptions: { output: countsFile },
  ...(grep === undefined ? {} : { grep }),
});
const folder = join(SPECS, profile);
const specs = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.test.js'));
for (const file of specs.sort()) mocha.addFile(join(folder, file));
await mocha.loadFilesAsync();
// The process ends by itself: what keeps it from ending was left behind by a test.
mocha.run((failures) => (process.exitCode = failures > 0 ? 1 : 0));
