import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Gives the event loop's delay at p99, in ms, over some time. The timer's own period of 1 ms is in it.
 * @param work that goes on until the end, in ms as `Date.now` gives them; none for an idle process
 */
export async function p99While(
  milliseconds: number,
  work: (end: number) => Promise<unknown> = (end) => sleep(end - Date.now()),
): Promise<number[]> {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  await work(Date.now() + milliseconds);
  delay.disable();
  return [delay.percentile(99) / 1e6];
}
