import { once } from 'node:events';

import type { WorkerPool } from '../../lib/pool/pool.js';

/** Terminates the threads of a pool, as a crash would, and waits for their exit. */
export async function killWorkers(pool: WorkerPool): Promise<void> {
  await Promise.all(
    pool.threads.map(async (thread) => {
      const gone = once(thread, 'exit');
      await thread.terminate();
      await gone;
    }),
  );
}
