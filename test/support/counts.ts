import { readFileSync } from 'node:fs';

/** How many tests of a suite passed, failed and were skipped. */
export interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** The title and the error of each failed test, so that a log's end names them. */
  readonly failures: readonly string[];
}

export const NO_COUNTS: Counts = { passed: 0, failed: 0, skipped: 0, failures: [] };

/**
 * Reads the file of the counts reporter.
 * @throws if the file is missing or does not contain counts: a suite without a result has not passed
 */
export function readCounts(path: string): Counts {
  const data: unknown = JSON.parse(readFileSync(path, 'utf8'));
  if (typeof data !== 'object' || data === null) throw new TypeError(`'${path}' does not contain counts`);
  const field = (name: 'passed' | 'failed' | 'skipped'): number => {
    const value = (data as Partial<Record<keyof Counts, unknown>>)[name];
    if (typeof value !== 'number' || !Number.isInteger(value) || value < 0) {
      throw new TypeError(`'${path}' does not contain the number of tests ${name}`);
    }
    return value;
  };
  const { failures } = data as Partial<Record<keyof Counts, unknown>>;
  if (!Array.isArray(failures)) throw new TypeError(`'${path}' does not contain the failures`);
  return {
    passed: field('passed'),
    failed: field('failed'),
    skipped: field('skipped'),
    failures: failures.map(String),
  };
}

export function addCounts(one: Counts, other: Counts): Counts {
  return {
    passed: one.passed + other.passed,
    failed: one.failed + other.failed,
    skipped: one.skipped + other.skipped,
    failures: [...one.failures, ...other.failures],
  };
}

/** @returns the last line of a CI log */
export function countsLine(counts: Counts): string {
  return `${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`;
}

/** Tests whether a suite passed: it ran at least one test, and no test failed. */
export function isGreen(counts: Counts): boolean {
  return counts.failed === 0 && counts.passed > 0;
}
