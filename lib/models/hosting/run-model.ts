import { setImmediate as nextTurn } from 'node:timers/promises';

import { importModule } from '../../base/import-module.js';
import type { Fd } from '../../kernel/kernel.js';
import { addon } from '../../native/addon.js';
import { OwnedResources } from '../../vfio-user/server/owned-resources.js';
import { acceptClient, RefusedClients } from '../../vfio-user/server/listener.js';
import { VfioUserServer } from '../../vfio-user/server/vfio-user-server.js';
import { describeModel, type ModelDescription } from './model-description.js';
import { EmulatedFunction } from '../pci-function/emulated-function.js';
import { validateModel } from '../pci-function/validate-model.js';

/** What a model's thread or process receives at its start. */
export interface RunRequest {
  /** The URL of the model's module. */
  readonly moduleUrl: string;
  readonly options: unknown;
  /** A connected socket, served until its client leaves, or a listening socket, served client after client. */
  readonly endpoint: { readonly kind: 'connection' | 'listener'; readonly fd: Fd };
  /** The table for `OwnedResources`. Absent in a process, which makes its own. */
  readonly owned?: SharedArrayBuffer;
}

/**
 * How long the thread blocks at most before it returns to its event loop, in milliseconds. The model's own asynchronous
 * work and `Worker.terminate` need the event loop. 500 ms costs an idle model two wake-ups a second.
 */
const MAX_BLOCK_MS = { connection: 500, listener: 100 } as const;
const MAX_WARNINGS = 100;

/**
 * Runs a model until its client leaves or `stop` is aborted.
 * @param ready called with the model's description before the first message is served
 * @throws what the module throws when it is loaded; what `create` throws; ERR_INVALID_ARGUMENT for a module that does
 * not export a valid `PciModel`
 * Thread: the model's own. It blocks nearly all of the time.
 */
export async function runModel(
  request: RunRequest,
  ready: (description: ModelDescription) => void,
  stop: AbortSignal,
): Promise<void> {
  const owned = new OwnedResources(request.owned ?? OwnedResources.memory());
  try {
    const module = await importModule(request.moduleUrl);
    const model = validateModel(module.default);
    const device = new EmulatedFunction(model, request.options, owned, modelWarnings(model.name));
    ready(describeModel(model));
    // A child process sends its message when its event loop turns.
    await nextTurn();
    if (request.endpoint.kind === 'connection') await serveClient(device, request.endpoint.fd, owned, stop);
    else await serveClients(device, request.endpoint.fd, owned, stop);
  } finally {
    owned.closeAll();
    addon.socketShutdown(request.endpoint.fd);
  }
}

async function serveClients(
  device: EmulatedFunction,
  listener: Fd,
  owned: OwnedResources,
  stop: AbortSignal,
): Promise<void> {
  while (!stop.aborted) {
    const socket = acceptClient(listener, MAX_BLOCK_MS.listener);
    if (socket !== undefined) {
      owned.adoptFd(socket);
      const others = new RefusedClients(listener);
      await serveClient(device, socket, owned, stop, () => others.accept());
      others.close();
      owned.closeFd(socket);
    }
    await nextTurn();
  }
}

async function serveClient(
  device: EmulatedFunction,
  socket: Fd,
  owned: OwnedResources,
  stop: AbortSignal,
  betweenTurns?: () => void,
): Promise<void> {
  const server = new VfioUserServer(device, socket, owned);
  const turn = betweenTurns === undefined ? MAX_BLOCK_MS.connection : MAX_BLOCK_MS.listener;
  while (!stop.aborted && server.serve(turn)) {
    betweenTurns?.();
    await nextTurn();
  }
  server.close();
}

/**
 * Makes a function that warns of errors that a model throws. The access that threw is answered with EIO; the warning is
 * for the author of the model. Each message is reported once, and at most 100 are, because a guest decides how often a
 * model throws.
 */
function modelWarnings(name: string): (error: unknown) => void {
  const told = new Set<string>();
  return (error) => {
    const message = error instanceof Error ? error.message : String(error);
    if (told.has(message) || told.size >= MAX_WARNINGS) return;
    told.add(message);
    const detail = error instanceof Error ? error.stack : undefined;
    process.emitWarning(`the model ${name} threw: ${message}`, { type: 'VfioModelWarning', ...(detail && { detail }) });
  };
}
