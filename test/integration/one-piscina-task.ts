import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

// A thread is ready when it has loaded this module, which it has when the file exists.
while (!existsSync(process.env['GATE'] ?? '/')) await sleep(5);

/** A task that ends at once. */
export default function task(): string {
  return 'done';
}
