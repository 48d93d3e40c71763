import { monitorEventLoopDelay } from 'node:perf_hooks';

/** How late the event loop's timers were, milliseconds; the timer's own period of 1 ms is in them. */
export interface LoopDelay {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/**
 * Watches the event loop of this thread until stopped.
 * @returns what stops it and gives the delay so far
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
