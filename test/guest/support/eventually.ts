import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Waits until a condition holds.
 * @param what names it, for the failure
 * @throws after `timeoutMs`
 */
export async function eventually(what: string, holds: () => boolean, timeoutMs = 15_000): Promise<void> {
  const end = performance.now() + timeoutMs;
  while (!holds()) {
    if (performance.now() > end) throw new Error(`${what}: not so after ${timeoutMs} ms`);
    await sleep(20);
  }
}
