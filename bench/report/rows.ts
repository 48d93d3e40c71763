import type { BenchReport } from '../harness/report-file.js';
import { barOf, meetsBar, type CaseResult } from '../harness/result.js';

/** What one run says of a case, as the page shows it. */
export interface Mark {
  /** Which run, by its place among the files. */
  readonly run: number;
  readonly result: CaseResult;
  /** The cost as a share of what the bar allows: 1 is the bar. */
  readonly share: number;
  /** The same of the 99th percentile. */
  readonly share99: number;
  readonly meets: boolean;
}

/** One case with what every run says of it. */
export interface Row {
  readonly name: string;
  readonly bar: string;
  readonly marks: readonly Mark[];
}

/** Rows under a heading. */
export interface Group {
  readonly title: string;
  readonly rows: readonly Row[];
}

/** The page's order: the first heading whose pattern a name fits. */
const GROUPS: readonly (readonly [title: string, pattern: RegExp])[] = [
  ['Registers, on the calling thread', /^(view|checked|trap)-/],
  ['Programs', /^(batch|poll|block)-/],
  ['Lanes to a worker', /^(lane|pool)-/],
  ['Growth: the cost with many, over the cost with one', /^(scale|iova)-/],
  ['Attaching and mapping, on the real kernel', /^(attach|map-\d)/],
  ['Interrupts', /^(msi|irq|intx)/],
  ['The event loop', /event-loop/],
  ['Further cases', /./],
];

/** Orders the cases of some runs. */
export function groupsOf(runs: readonly BenchReport[]): Group[] {
  const names = [...new Set(runs.flatMap(({ cases }) => cases.map(({ name }) => name)))];
  const groups = GROUPS.map(([title, pattern], index) => {
    const earlier = GROUPS.slice(0, index).map(([, other]) => other);
    const rows = names.filter((name) => pattern.test(name) && !earlier.some((other) => other.test(name)));
    return { title, rows: rows.map((name) => rowOf(name, runs)) };
  });
  return groups.filter(({ rows }) => rows.length > 0);
}

function rowOf(name: string, runs: readonly BenchReport[]): Row {
  const marks = runs.flatMap(({ cases }, run) => {
    const result = cases.find((each) => each.name === name);
    return result === undefined ? [] : [markOf(run, result)];
  });
  return { name, bar: barOf((marks[0] as Mark).result), marks };
}

function markOf(run: number, result: CaseResult): Mark {
  const share = (cost: number): number => shareOfBar(result, cost);
  return { run, result, share: share(result.value), share99: share(result.p99), meets: meetsBar(result) };
}

/** A case without a bar is measured by its baseline. */
function shareOfBar({ bar = 1, barAbove, baseline }: CaseResult, cost: number): number {
  if (barAbove !== undefined) return Math.max(0, cost - baseline) / barAbove;
  return cost / baseline / bar;
}
