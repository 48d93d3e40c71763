import { median, medianAbsoluteDeviation, quantileSorted } from 'simple-statistics';

import type { BenchCase, CaseResult, CaseSamples } from './case.js';

/** Makes a row of a case's samples. */
export function summarize(benchCase: BenchCase, { subject, baseline }: CaseSamples): CaseResult {
  const sorted = [...subject].sort((a, b) => a - b);
  const value = median(sorted);
  const base = median([...baseline]);
  return {
    name: benchCase.name,
    title: benchCase.title,
    ...(benchCase.comparison === undefined ? {} : { comparison: benchCase.comparison }),
    unit: benchCase.unit,
    value,
    baseline: base,
    ratio: value / base,
    p50: value,
    p99: quantileSorted(sorted, 0.99),
    spread: { subject: spread(sorted), baseline: spread(baseline) },
    ...(benchCase.bar === undefined ? {} : { bar: benchCase.bar }),
    ...(benchCase.barAbove === undefined ? {} : { barAbove: benchCase.barAbove }),
  };
}

function spread(values: readonly number[]): number {
  return medianAbsoluteDeviation([...values]) / median([...values]);
}

/** The bar as text: a ratio, or what may come on top of the baseline. */
export function barOf({ bar, barAbove, unit }: CaseResult): string {
  if (barAbove !== undefined) return `+${barAbove} ${unit}`;
  return bar === undefined ? '' : String(bar);
}

/** Tells whether a row meets its bar; a row without one does. */
export function meetsBar(result: CaseResult): boolean {
  const { bar, barAbove, ratio, value, baseline } = result;
  return (bar === undefined || ratio <= bar) && (barAbove === undefined || value - baseline <= barAbove);
}
