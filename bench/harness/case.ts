/** One case of the benchmark: the same work done by this project and by a baseline, most often in C. */
export interface BenchCase {
  /** The name of the case's file. It stands in the JSON and in `npm run bench -- NAME`. */
  readonly name: string;
  /** What one operation is, for the reader of the table. */
  readonly title: string;
  readonly unit: 'ns' | 'us' | 'ms';
  /** The largest ratio of subject to baseline that meets the goal. */
  readonly bar?: number;
  /** Instead of a ratio: how much the subject may cost above the baseline, in the unit. */
  readonly barAbove?: number;
  /** What is compared with what, if it is not JavaScript with C. */
  readonly comparison?: string;
  /** Sets both sides up. Each case runs in a process of its own. */
  prepare(): Promise<PreparedCase>;
}

/** Both sides of a case, ready to run. */
export interface PreparedCase {
  readonly subject: Side;
  readonly baseline: Side;
  close(): Promise<void> | void;
}

/** One side of a case. benchmark.js measures a side that has `run` or `runAsync`. */
export type Side = SyncSide | AsyncSide | SampledSide;

interface Hooks {
  /** Runs before each sample. It is not measured. */
  readonly before?: () => Promise<void> | void;
  /** Runs after each sample. It is not measured. Throws if the side did not do the work that the case names. */
  readonly after?: () => Promise<void> | void;
}

/** A function that benchmark.js calls in its loop. */
export interface SyncSide extends Hooks {
  readonly run: () => void;
  /** How many operations one call of `run` makes. */
  readonly operations: number;
}

/** The same for a function that returns a promise: benchmark.js measures it with a deferred. */
export interface AsyncSide extends Hooks {
  readonly runAsync: () => Promise<void>;
  readonly operations: number;
}

/**
 * A side that benchmark.js cannot measure: a distribution of latencies, or a program that measures itself.
 * `sample` returns one or more costs in the case's unit. The side's value is their median.
 */
export interface SampledSide extends Hooks {
  readonly sample: () => Promise<readonly number[]> | readonly number[];
}

/** How long a case's process measures. */
export interface RunSettings {
  /** How many samples are taken of each side. */
  readonly rounds: number;
  /** How many are taken before and not counted, so that V8 has compiled the code. */
  readonly warmUpRounds: number;
  /** How long benchmark.js repeats a function for one sample, at least; milliseconds. */
  readonly minTimeMs: number;
}

/** The statistics of one side, in the case's unit. */
export interface SideResult {
  /** The mean (benchmark.js), or the median of a SampledSide. */
  readonly value: number;
  /** The relative margin of error of the mean (benchmark.js), or the median absolute deviation over the median. */
  readonly spread: number;
  readonly costs: readonly number[];
}

/** The message of a case's process to its parent. */
export interface CaseMeasurements {
  readonly subject: SideResult;
  readonly baseline: SideResult;
}
