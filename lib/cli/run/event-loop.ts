import { monitorEventLoopDelay } from 'node:perf_hooks';

/** The delay of the event loop in milliseconds: how late its timers were, including the timer's own period of 1 ms. */
export interface LoopDelay {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/**
 * Measures the delay of this thread's event loop.
 * @returns a function that stops the measurement and returns the delay
 */
export function watchLoop(): () => LoopDelay {
  const histogram = monitorEventLoopDelay({ resolution: 1 });
  histogram.enable();
  return () => {
    histogram.disable();
    return {
      p50: milliseconds(histogram.percentile(50)),
      p99: milliseconds(histogram.percentile(99)),
      max: milliseconds(histogram.max),
    };
  };
}

function milliseconds(nanoseconds: number): number {
  return Math.round(nanoseconds / 1e3) / 1e3;
}
