import Table from 'cli-table3';

import { barOf, meetsBar, type CaseResult } from './result.js';

/** Renders the results as a table for the terminal. */
export function resultTable(cases: readonly CaseResult[]): string {
  const rows = new Table({ head: ['case', 'value', 'C', 'ratio', 'bar', 'p99', 'spread'], style: { head: [] } });
  for (const result of cases) {
    rows.push([
      result.name,
      `${result.value.toFixed(2)} ${result.unit}`,
      `${result.baseline.toFixed(2)} ${result.unit}`,
      result.ratio.toFixed(2),
      `${barOf(result)}${meetsBar(result) ? '' : '  OVER'}`,
      result.p99.toFixed(2),
      `${(result.spread.subject * 100).toFixed(1)} % / ${(result.spread.baseline * 100).toFixed(1)} %`,
    ]);
  }
  return rows.toString();
}
