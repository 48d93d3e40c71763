import type { BenchReport } from './main.js';

/** Ratios move by a few per cent from run to run; beyond this a case got worse. */
const TOLERANCE = 1.1;

/** Says which cases cost more of their baseline than they did. */
export function compareReports(before: BenchReport, after: BenchReport): string {
  const known = new Map(before.cases.map((result) => [result.name, result]));
  const lines: string[] = [];
  for (const result of after.cases) {
    const old = known.get(result.name);
    if (old === undefined) lines.push(`new    ${result.name}: ratio ${result.ratio.toFixed(2)}`);
    else if (result.ratio > old.ratio * TOLERANCE)
      lines.push(`worse  ${result.name}: ratio ${old.ratio.toFixed(2)} -> ${result.ratio.toFixed(2)}`);
  }
  const gone = before.cases.filter((result) => !after.cases.some((now) => now.name === result.name));
  lines.push(...gone.map((result) => `absent ${result.name}`));
  return lines.length === 0 ? `nothing got worse since ${before.commit}` : lines.join('\n');
}
