import { writeFileSync } from 'node:fs';
import Mocha from 'mocha';
import type { Counts } from './counts.js';

/**
 * Mocha's spec reporter that also writes the counts to a file (`--reporter-option output=FILE`), for who adds up suites:
 * a test may print anything, a file of its own cannot be mistaken.
 */
export default class CountsReporter extends Mocha.reporters.Spec {
  constructor(runner: Mocha.Runner, options: Mocha.MochaOptions & { reporterOption?: { output?: string } }) {
    super(runner, options);
    // By one name from the command line, by another from the API.
    const { output } = options.reporterOption ?? (options.reporterOptions as { output?: string } | undefined) ?? {};
    if (output === undefined) throw new Error('the counts reporter wants --reporter-option output=FILE');
    runner.once(Mocha.Runner.constants.EVENT_RUN_END, () => {
      const { passes, failures, pending } = this.stats;
      const counts: Counts = { passed: passes, failed: failures, skipped: pending };
      writeFileSync(output, `${JSON.stringify(counts)}\n`);
    });
  }
}
