import { setImmediate as nextTurn } from 'node:timers/promises';

import type { Fd } from '../../kernel/kernel.js';
import { addon } from '../../native/addon.js';
import { OwnedResources } from '../../vfio-user/server/owned-resources.js';
import { VfioUserServer } from '../../vfio-user/server/vfio-user-server.js';
import { describeModel, type ModelDescription } from './model-description.js';
import { EmulatedFunction } from '../pci-function/emulated-function.js';
import { validateModel } from '../pci-function/validate-model.js';

/** What a model's thread or process is told to do. */
export interface RunRequest {
  /** The URL of the model's module. */
  readonly moduleUrl: string;
  readonly options: unknown;
  /** A connected socket, served until its client leaves, or a listening one, served client after client. */
  readonly endpoint: { readonly kind: 'connection' | 'listener'; readonly fd: Fd };
  /** The table of `OwnedResources`; a process makes its own. */
  readonly owned?: SharedArrayBuffer;
}

/**
 * How long the thread blocks at most before it returns to its event loop, so that its model's own asynchronous work goes
 * on and `Worker.terminate` takes hold. Half a second costs an idle model two wake-ups a second.
 */
const TURN_MS = { connection: 500, listener: 100 } as const;
const MAX_WARNINGS = 100;

/**
 * Runs a model until its client leaves, or `stop` says so.
 * Thread: one of the model's own, which is blocked nearly all of the time.
 * @param ready is told what the model is, before the first message is served
 * @throws what the module throws when it is loaded, and ERR_INVALID_ARGUMENT for a module that is no model
 */
export async function runModel(
  request: RunRequest,
  ready: (description: ModelDescription) => void,
  stop: AbortSignal,
): Promise<void> {
  const owned = new OwnedResources(request.owned ?? OwnedResources.memory());
  try {
    const module = (await import(request.moduleUrl)) as { readonly default?: unknown };
    const model = validateModel(module.default);
    const device = new EmulatedFunction(model, request.options, owned, modelWarnings(model.name));
    ready(describeModel(model));
    // A process's message leaves with its event loop's turn.
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
    const socket = addon.unixAccept(listener, TURN_MS.listener);
    if (socket >= 0) {
      owned.adoptFd(socket);
      await serveClient(device, socket, owned, stop, TURN_MS.listener);
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
  turn: number = TURN_MS.connection,
): Promise<void> {
  const server = new VfioUserServer(device, socket, owned);
  while (!stop.aborted && server.serve(turn)) await nextTurn();
  server.close();
}

/**
 * A model's own error is nobody's exception: its access was answered with EIO, and its author reads the warning. Each
 * message once, and not without end: a guest decides how often.
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
