import { quantile } from 'simple-statistics';

import type { BenchCase, CaseMeasurements } from './case.js';

/** One row of the result, in the case's unit. */
export interface CaseResult {
  readonly name: string;
  readonly title?: string;
  readonly comparison?: string;
  readonly unit: string;
  /** What an operation costs here and in the baseline (see SideResult). */
  readonly value: number;
  readonly baseline: number;
  readonly ratio: number;
  /** Percentiles of the subject's samples. */
  readonly p50: number;
  readonly p99: number;
  /** How far the samples of each side lie apart (see SideResult). */
  readonly spread: { readonly subject: number; readonly baseline: number };
  readonly bar?: number;
  readonly barAbove?: number;
}

/** Makes the row of a case from the statistics of its sides. */
export function toResult(benchCase: BenchCase, { subject, baseline }: CaseMeasurements): CaseResult {
  const costs = [...subject.costs];
  return {
    name: benchCase.name,
    title: benchCase.title,
    ...(benchCase.comparison === undefined ? {} : { comparison: benchCase.comparison }),
    unit: benchCase.unit,
    value: subject.value,
    baseline: baseline.value,
    ratio: subject.value / baseline.value,
    // benchmark.js has no percentiles.
    p50: quantile(costs, 0.5),
    p99: quantile(costs, 0.99),
    spread: { subject: subject.spread, baseline: baseline.spread },
    ...(benchCase.bar === undefined ? {} : { bar: benchCase.bar }),
    ...(benchCase.barAbove === undefined ? {} : { barAbove: benchCase.barAbove }),
  };
}

/** Returns the bar as text: a ratio, or the allowed difference from the baseline. */
export function barOf({ bar, barAbove, unit }: CaseResult): string {
  if (barAbove !== undefined) return `+${barAbove} ${unit}`;
  return bar === undefined ? '' : String(bar);
}

/** Tells whether a row meets its bar. A row without a bar does. */
export function meetsBar(result: CaseResult): boolean {
  const { bar, barAbove, ratio, value, baseline } = result;
  return (bar === undefined || ratio <= bar) && (barAbove === undefined || value - baseline <= barAbove);
}
