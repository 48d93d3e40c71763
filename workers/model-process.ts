/** A model's process: the first message of its parent's is a `RunRequest`. SIGTERM ends it, its client's leaving too. */
import { once } from 'node:events';

import { serializeError } from '../lib/base/errors.js';
import type { StartMessage } from '../lib/models/hosting/model-start.js';
import { runModel, type RunRequest } from '../lib/models/hosting/run-model.js';

const tell = (message: StartMessage): void => void process.send?.(message);
let served = false;

const [request] = (await once(process, 'message')) as [RunRequest];
try {
  await runModel(
    request,
    (description) => {
      served = true;
      tell({ kind: 'ready', description });
    },
    new AbortController().signal,
  );
} catch (error) {
  if (served) throw error;
  tell({ kind: 'failed', error: serializeError(error) });
} finally {
  // Without a parent there is no channel any more.
  if (process.connected) process.disconnect();
}
