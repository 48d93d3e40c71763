import Benchmark from 'benchmark';
import { median, medianAbsoluteDeviation } from 'simple-statistics';

import type { AsyncSide, BenchCase, SampledSide, Side, SideResult, SyncSide } from './case.js';

/** Measures one side of a case, sample by sample, so that the caller can alternate between the sides. */
export interface Measurement {
  /** Takes a sample that does not count. Call it before the first `sample` only. */
  warmUp(): Promise<void>;
  /** Takes one sample. @throws the side's error */
  sample(): Promise<void>;
  result(): SideResult;
}

type Unit = BenchCase['unit'];

const UNITS_PER_SECOND: Readonly<Record<Unit, number>> = { ns: 1e9, us: 1e6, ms: 1e3 };

/** @param minTimeMs how long benchmark.js repeats the function for one sample, at least */
export function measurementOf(side: Side, unit: Unit, minTimeMs: number): Measurement {
  return 'sample' in side ? new SampledMeasurement(side) : new BenchmarkMeasurement(side, unit, minTimeMs);
}

/** One Benchmark of benchmark.js. Each of its runs adds one sample to its statistics. */
class BenchmarkMeasurement implements Measurement {
  readonly #benchmark: Benchmark;
  readonly #side: SyncSide | AsyncSide;
  /** From seconds of a call to the unit of an operation. */
  readonly #scale: number;
  #keepsSamples = false;
  #failure: Error | undefined;

  constructor(side: SyncSide | AsyncSide, unit: Unit, minTimeMs: number) {
    this.#side = side;
    this.#scale = UNITS_PER_SECOND[unit] / side.operations;
    this.#benchmark = new Benchmark({
      // Without setup and teardown benchmark.js calls the function. With them it would compile the function's source
      // anew, where the names of its closure are unknown.
      fn: 'runAsync' in side ? (deferred: Benchmark.Deferred) => this.#runDeferred(side, deferred) : side.run,
      defer: 'runAsync' in side,
      minTime: minTimeMs / 1000,
      minSamples: 1,
      // A run ends after its first sample.
      maxTime: -1,
      // A run begins by a reset, which would drop the samples of the runs before.
      onReset: (event: Benchmark.Event) => {
        event.cancelled = this.#keepsSamples;
      },
    });
  }

  warmUp(): Promise<void> {
    return this.#takeSample();
  }

  async sample(): Promise<void> {
    await this.#takeSample();
    this.#keepsSamples = true;
  }

  result(): SideResult {
    const { mean, rme, sample } = this.#benchmark.stats;
    const costs = (sample as number[]).map((seconds) => seconds * this.#scale);
    return { value: mean * this.#scale, spread: rme / 100, costs };
  }

  async #takeSample(): Promise<void> {
    await this.#side.before?.();
    await new Promise<void>((resolve) => {
      const onComplete = (): void => {
        this.#benchmark.off('complete', onComplete);
        resolve();
      };
      this.#benchmark.on('complete', onComplete).run();
    });
    const failure: Error | undefined = this.#failure ?? this.#benchmark.error;
    if (failure !== undefined) throw failure;
    await this.#side.after?.();
  }

  #runDeferred(side: AsyncSide, deferred: Benchmark.Deferred): void {
    side.runAsync().then(
      () => deferred.resolve(),
      (error: unknown) => {
        this.#failure = error instanceof Error ? error : new Error(String(error));
        deferred.resolve();
      },
    );
  }
}

/** The costs that a side reports itself. */
class SampledMeasurement implements Measurement {
  readonly #side: SampledSide;
  readonly #costs: number[] = [];

  constructor(side: SampledSide) {
    this.#side = side;
  }

  async warmUp(): Promise<void> {
    await this.#side.before?.();
    await this.#side.sample();
    await this.#side.after?.();
  }

  async sample(): Promise<void> {
    await this.#side.before?.();
    this.#costs.push(...(await this.#side.sample()));
    await this.#side.after?.();
  }

  result(): SideResult {
    const value = median(this.#costs);
    return { value, spread: medianAbsoluteDeviation(this.#costs) / value, costs: this.#costs };
  }
}
