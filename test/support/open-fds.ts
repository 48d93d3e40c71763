import { readdirSync, readFileSync } from 'node:fs';

/** Counts this process's open descriptors. */
export function openFds(): number {
  return readdirSync('/proc/self/fd').length;
}

/** Counts this process's threads. */
export function threads(): number {
  return readdirSync('/proc/self/task').length;
}

/** Counts mappings of memfds, which the tests and the models make. */
export function memfdMappings(): number {
  return readFileSync('/proc/self/maps', 'utf8')
    .split('\n')
    .filter((line) => line.includes('/memfd:')).length;
}

/** Waits until a condition holds. @throws after 5 s */
export async function eventually(condition: () => boolean, what: string): Promise<void> {
  const deadline = performance.now() + 5000;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`not in 5 s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
