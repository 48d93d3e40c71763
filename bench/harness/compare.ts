import type { BenchReport } from './report-file.js';
import type { CaseResult } from './result.js';

/** The least difference between two runs that counts: on a quiet machine ratios differ by this much. */
const LEAST_NOISE = 0.05;
/** How many spreads a difference must have to count. */
const DEVIATIONS = 3;

/**
 * Lists the cases whose ratio grew by more than the spreads of both runs explain.
 * @param asked the names of the cases that were asked for; empty for all
 */
export function compareReports(before: BenchReport, after: BenchReport, asked: readonly string[] = []): string {
  const known = new Map(before.cases.map((result) => [result.name, result]));
  const lines = after.cases.flatMap((result) => {
    const old = known.get(result.name);
    if (old === undefined) return [`new    ${result.name}: ratio ${result.ratio.toFixed(2)}`];
    const [change, noise] = [result.ratio / old.ratio - 1, noiseOf(old, result)];
    if (change <= noise) return [];
    const figures = `ratio ${old.ratio.toFixed(2)} -> ${result.ratio.toFixed(2)}`;
    return [`worse  ${result.name}: ${figures}, ${percent(change)} more where ${percent(noise)} may be chance`];
  });
  const expected = before.cases.map(({ name }) => name).filter((name) => asked.length === 0 || asked.includes(name));
  const gone = expected.filter((name) => !after.cases.some((now) => now.name === name));
  lines.push(...gone.map((name) => `absent ${name}`));
  return lines.length === 0 ? `nothing got worse since ${before.commit}` : lines.join('\n');
}

/** Combines the spreads of both sides of both runs, which are independent. */
function noiseOf(...results: readonly CaseResult[]): number {
  const spreads = results.flatMap(({ spread }) => [spread.subject, spread.baseline]);
  return Math.max(LEAST_NOISE, DEVIATIONS * Math.hypot(...spreads));
}

function percent(share: number): string {
  return `${(share * 100).toFixed(0)} %`;
}
