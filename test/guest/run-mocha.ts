// Runs mocha on the specs of a profile, in the guest. It uses mocha's API, because the command line needs two more seconds to load.
// Usage: node run-mocha.js '{"profile":…,"countsFile":…,"timeout":…,"grep":…}'. The exit code is 1 if a test failed.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import Mocha from 'mocha';
import CountsReporter from '../support/counts-reporter.js';
import '../support/unhandled-rejections.js';
import type { ProfileName } from './profiles.js';

/** The program's argument, as JSON. */
export interface MochaRequest {
  readonly profile: ProfileName;
  /** The file for the counts. */
  readonly countsFile: string;
  /** The time limit of one test, in milliseconds. */
  readonly timeout: number;
  /** Mocha's --grep; undefined for all tests. */
  readonly grep?: string | undefined;
}

const SPECS = fileURLToPath(new URL('./specs/', import.meta.url));
/** Mocha marks a test as slow after this time, in milliseconds. */
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
// No process.exit: a resource that a test left open keeps the process alive, so that the leak is seen.
mocha.run((failures) => (process.exitCode = failures > 0 ? 1 : 0));
