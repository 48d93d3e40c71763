/** The process that hosts a model. The parent's first message is a `RunRequest`. SIGTERM ends it, and so does its client by leaving. */
import { once } from 'node:events';

import { serializeError } from '../lib/base/errors.js';
import type { StartMessage } from '../lib/models/hosting/model-start.js';
import type { RunRequest } from '../lib/models/hosting/run-model.js';

const tell = (message: StartMessage): void => void process.send?.(message);
let served = false;

const [request] = (await once(process, 'message')) as [RunRequest];
try {
  // Here, so that the starter learns why the addon could not be loaded.
  const { runModel } = await import('../lib/models/hosting/run-model.js');
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
  // The channel is gone if the parent has ended.
  if (process.connected) process.disconnect();
}
