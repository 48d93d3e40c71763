import { fork } from 'node:child_process';
import { once } from 'node:events';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import type { CaseMeasurements, RunSettings } from './case.js';

const here = dirname(fileURLToPath(import.meta.url));
/** A case that takes longer hangs. */
const CASE_DEADLINE_MS = 300_000;

/** Measures a case in a process of its own. @throws Error if the process ends without an answer or does not end */
export async function measureCase(name: string, settings: RunSettings): Promise<CaseMeasurements> {
  const child = fork(join(here, 'run-case.js'), [name, JSON.stringify(settings)]);
  const signal = AbortSignal.timeout(CASE_DEADLINE_MS);
  const ended = once(child, 'exit');
  try {
    const first = await Promise.race([once(child, 'message', { signal }), ended]);
    const answer = first[0] as CaseMeasurements | number | null;
    if (typeof answer !== 'object' || answer === null) throw new Error(`its process ended with code ${answer}`);
    return answer;
  } finally {
    child.kill();
    await ended;
  }
}
