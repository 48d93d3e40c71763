/** A case of the benchmark: the same work done by this project and by C, measured in turns. */
export interface BenchCase {
  /** As in the JSON and in `npm run bench -- NAME`. */
  readonly name: string;
  /** What one operation is, for the table's reader. */
  readonly title: string;
  readonly unit: 'ns' | 'us' | 'ms';
  /** The ratio that must not be exceeded, where one is asked for. */
  readonly bar?: number;
  /** Where the bar is no ratio: how much more than the baseline it may be, in the unit. */
  readonly barAbove?: number;
  /** What is compared with what, where it is not JavaScript with C. */
  readonly comparison?: string;
  /** Sets both sides up. Runs in a process of its own. */
  prepare(): Promise<PreparedCase>;
}

/** Both sides, ready to run. Each call measures once and gives one or more costs of an operation, in the case's unit. */
export interface PreparedCase {
  subject(): Promise<readonly number[]> | readonly number[];
  baseline(): Promise<readonly number[]> | readonly number[];
  close(): Promise<void> | void;
}

/** What a case's process answers. */
export interface CaseSamples {
  readonly subject: readonly number[];
  readonly baseline: readonly number[];
}

/** One row of the result. `value` and `baseline` are medians, `p50` and `p99` those of the subject's samples. */
export interface CaseResult {
  readonly name: string;
  readonly title?: string;
  readonly comparison?: string;
  readonly unit: string;
  readonly value: number;
  readonly baseline: number;
  readonly ratio: number;
  readonly p50: number;
  readonly p99: number;
  /** Median absolute deviation over the median, of each side. */
  readonly spread: { readonly subject: number; readonly baseline: number };
  readonly bar?: number;
  readonly barAbove?: number;
}
