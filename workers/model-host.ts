/** The thread that hosts a model. `workerData` is a `RunRequest`. Any message stops the model. */
import { parentPort, workerData } from 'node:worker_threads';

import { serializeError } from '../lib/base/errors.js';
import { addon } from '../lib/native/addon.js';
import type { StartMessage } from '../lib/models/hosting/model-start.js';
import { runModel, type RunRequest } from '../lib/models/hosting/run-model.js';

const port = parentPort;
if (port === null) throw new Error('workers/model-host.js is started as a thread');

const request = workerData as RunRequest;
const tell = (message: StartMessage): void => port.postMessage(message);
const stop = new AbortController();
let served = false;
port.on('message', () => stop.abort());
// The client must notice an end by process.exit() or by an error at once, even while it blocks the thread that started this one.
process.once('exit', () => addon.socketShutdown(request.endpoint.fd));

try {
  await runModel(
    request,
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
