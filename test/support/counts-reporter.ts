import { writeFileSync } from 'node:fs';
import Mocha from 'mocha';
import type { Counts } from './counts.js';

/**
 * Mocha's spec reporter, which also writes the counts and the failures to a file (`--reporter-option output=FILE`), so that a script can add
 * up suites. It does not read the output: a test can print anything there.
 */
export default class CountsReporter extends Mocha.reporters.Spec {
  constructor(runner: Mocha.Runner, options: Mocha.MochaOptions & { reporterOption?: { output?: string } }) {
    super(runner, options);
    // The command line calls the field `reporterOption`, the API `reporterOptions`.
    const { output } = options.reporterOption ?? (options.reporterOptions as { output?: string } | undefined) ?? {};
    if (output === undefined) throw new Error('the counts reporter needs --reporter-option output=FILE');
    const failed: string[] = [];
    runner.on(Mocha.Runner.constants.EVENT_TEST_FAIL, (test, error: unknown) => {
      failed.push(`${test.fullTitle()}\n${error instanceof Error ? error.stack : String(error)}`);
    });
    runner.once(Mocha.Runner.constants.EVENT_RUN_END, () => {
      const { passes, failures, pending } = this.stats;
      const counts: Counts = { passed: passes, failed: failures, skipped: pending, failures: failed };
      writeFileSync(output, `${JSON.stringify(counts)}\n`);
    });
  }
}
