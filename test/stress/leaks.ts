import { readFileSync } from 'node:fs';

import { collectGarbage } from '../support/own-memory.js';
import { openDescriptors, quietResources, type Resources } from '../support/resources.js';
import type { Tally } from './tally.js';

/** What a process holds. */
interface Held extends Resources {
  /** Memory that DMA mappings lock, KiB. */
  readonly pins: number;
}

/** Counts what the process holds, when that does not change any more. */
export async function countHeld(): Promise<Held> {
  // The memory of lanes and buffers is released when its last owner is collected.
  await collectGarbage();
  return { ...(await quietResources()), pins: pinnedKibibytes() };
}

/** Notes what the process holds more than before. Looks several times: the last threads and handles end some time later. */
export async function noteLeaks(before: Held, tally: Tally, what: string): Promise<void> {
  let leaked = 0;
  let now = before;
  for (let tries = 0; tries < 10; tries++) {
    now = await countHeld();
    leaked = excess(now, before);
    if (leaked === 0) return;
  }
  tally.leaked += leaked;
  const counts = `${JSON.stringify(before)} before, ${JSON.stringify(now)} now`;
  tally.violations.push(`leaked by ${what}: ${counts}: ${openDescriptors().join(', ')}`);
}

function excess(now: Held, before: Held): number {
  const names = ['descriptors', 'mappings', 'threads', 'pins'] as const;
  return names.reduce((sum, name) => sum + Math.max(0, now[name] - before[name]), 0);
}

/** type1 counts in VmLck, iommufd in VmPin. */
function pinnedKibibytes(): number {
  const status = readFileSync('/proc/self/status', 'latin1');
  const fields = [...status.matchAll(/^Vm(?:Lck|Pin):\s+(\d+) kB$/gm)];
  return fields.reduce((sum, [, kibibytes]) => sum + Number(kibibytes), 0);
}
