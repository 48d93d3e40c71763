/** The thread that hosts a model. `workerData` is a `RunRequest`. Any message stops the model. */
import { parentPort, workerData } from 'node:worker_threads';

import { serializeError } from '../lib/base/errors.js';
import type { StartMessage } from '../lib/models/hosting/model-start.js';
import { runModel, type RunRequest } from '../lib/models/hosting/run-model.js';

const port = parentPort;
if (port === null) throw new Error('workers/model-host.js is started as a thread');

const tell = (message: StartMessage): void => port.postMessage(message);
const stop = new AbortController();
let served = false;
port.on('message', () => stop.abort());

try {
  await runModel(
    workerData as RunRequest,
    (description) => {
      served = true;
      tell({ kind: 'ready', description });
    },
    stop.signal,
  );
} catch (error) {
  // The starter waits for the reason until the model serves. Later, the error ends the thread.
  if (served) throw error;
  tell({ kind: 'failed', error: serializeError(error) });
} finally {
  port.close();
}
