import { readFileSync } from 'node:fs';

/** How many tests of a suite passed, failed and were skipped. */
export interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

export const NO_COUNTS: Counts = { passed: 0, failed: 0, skipped: 0 };

/**
 * Reads what the counts reporter wrote.
 * @throws when the file is missing or holds anything but counts: a suite without a result has not passed
 */
export function readCounts(path: string): Counts {
  const data: unknown = JSON.parse(readFileSync(path, 'utf8'));
  if (typeof data !== 'object' || data === null) throw new TypeError(`'${path}' holds no counts`);
  const field = (name: keyof Counts): number => {
    const value = (data as Partial<Record<keyof Counts, unknown>>)[name];
    if (typeof value !== 'number' || !Number.isInteger(value) || value < 0) {
      throw new TypeError(`'${path}' holds no count of tests ${name}`);
    }
    return value;
  };
  return { passed: field('passed'), failed: field('failed'), skipped: field('skipped') };
}

export function addCounts(one: Counts, other: Counts): Counts {
  return {
    passed: one.passed + other.passed,
    failed: one.failed + other.failed,
    skipped: one.skipped + other.skipped,
  };
}

/** The line that a CI log ends with. */
export function countsLine(counts: Counts): string {
  return `${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`;
}

/** Tells a suite that did its work: it ran a test, and none failed. */
export function isGreen(counts: Counts): boolean {
  return counts.failed === 0 && counts.passed > 0;
}
