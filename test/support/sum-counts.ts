// `sum-counts FILE...` repeats the failures of several suites and adds up their counts. The last line is the sum; the exit code is
// 0 if every suite passed.
import { addCounts, countsLine, NO_COUNTS, readCounts, type Counts } from './counts.js';

/** Reads the counts of a suite. A suite without a result or without a test counts as one failed test. */
function countsOf(file: string): Counts {
  try {
    const counts = readCounts(file);
    if (counts.passed + counts.failed > 0) return counts;
    console.error(`sum-counts: '${file}': the suite ran no test`);
    return addCounts(counts, { ...NO_COUNTS, failed: 1 });
  } catch (error) {
    console.error(`sum-counts: '${file}': no result: ${String(error)}`);
    return { ...NO_COUNTS, failed: 1 };
  }
}

const files = process.argv.slice(2);
if (files.length === 0) throw new Error('usage: sum-counts FILE...');
const sum = files.map(countsOf).reduce(addCounts);
for (const failure of sum.failures) console.log(`failed: ${failure}`);
console.log(countsLine(sum));
process.exitCode = sum.failed === 0 ? 0 : 1;
