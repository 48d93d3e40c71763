import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

import { invalidArgument, type VfioError } from '../../base/errors.js';
import type { Fd } from '../../kernel/kernel.js';
import { addon } from '../../native/addon.js';
import type { ModelDescription } from './model-description.js';
import { ModelProcess } from './model-process.js';
import { ModelThread } from './model-thread.js';

/** Which model, and what its `create` gets. */
export interface ModelSpec {
  /** `edu`, `testdev`, or the URL or path of a module whose default export is a `PciModel`. */
  readonly model: string | URL;
  /** Structured-cloned into the model's thread or process. */
  readonly options?: unknown;
}

export interface HostOptions {
  /** Where the model runs: in a thread of this process, or in a process of its own. Default `thread`. */
  readonly isolation?: 'thread' | 'process';
}

/** A running model with one client. */
export interface HostedModel {
  /** The client's end of the connection, given away: whoever takes it closes it. */
  readonly socket: Fd;
  readonly description: ModelDescription;
  /** Ends the model, kindly and then (after 2 s) by force; done when its thread or process is gone. */
  stop(): Promise<void>;
  /** Calls back once when the model ended, with the error that ended it if one did; at once if it already has. */
  onExit(listener: (error: VfioError | undefined) => void): void;
}

const BUILT_IN: ReadonlyMap<string, URL> = new Map(
  ['edu', 'testdev'].map((name) => [name, new URL(`../${name}/${name}.js`, import.meta.url)]),
);

/**
 * Starts a model on one end of a socket pair. It ends when its client closes the other end.
 * @throws ERR_INVALID_ARGUMENT for a model that is not known or is none, ERR_TIMEOUT when it does not start in 10 s, and
 * what loading its module or `create` throws (as EIO)
 */
export async function startModel(spec: ModelSpec, options: HostOptions = {}): Promise<HostedModel> {
  const moduleUrl = modelUrl(spec.model);
  const [socket, serverSocket] = addon.socketPair();
  try {
    const request = { moduleUrl, options: spec.options, endpoint: { kind: 'connection', fd: serverSocket } } as const;
    const start = options.isolation === 'process' ? ModelProcess.start(request) : ModelThread.start(request);
    const { host, description } = await start;
    return { socket, description, stop: () => host.stop(), onExit: (listener) => host.onExit(listener) };
  } catch (error) {
    addon.closeFdSync(socket);
    throw error;
  }
}

/** A model that foreign clients connect to. */
export interface ServedModel {
  readonly path: string;
  readonly description: ModelDescription;
  stop(): Promise<void>;
  onExit(listener: (error: VfioError | undefined) => void): void;
}

/**
 * Serves a model on a unix socket to vfio-user clients such as QEMU, one at a time, each after the other. The device's
 * state outlives its clients; their memory and eventfds are let go.
 * @param where.signal ends it, as `stop` does. The socket's file is the caller's to remove
 * @throws EADDRINUSE, ENAMETOOLONG, and what `startModel` throws
 */
export async function serveModel(
  spec: ModelSpec,
  where: { readonly path: string; readonly signal?: AbortSignal },
): Promise<ServedModel> {
  const moduleUrl = modelUrl(spec.model);
  where.signal?.throwIfAborted();
  const listener = addon.unixListen(where.path, 1);
  const request = { moduleUrl, options: spec.options, endpoint: { kind: 'listener', fd: listener } } as const;
  const { host, description } = await ModelThread.start(request);
  // What a forced end fails with, `onExit` tells as well.
  const abort = (): void => void host.stop();
  where.signal?.addEventListener('abort', abort, { once: true });
  host.onExit(() => where.signal?.removeEventListener('abort', abort));
  if (where.signal?.aborted === true) abort();
  return { path: where.path, description, stop: () => host.stop(), onExit: (listener) => host.onExit(listener) };
}

/** Finds a model's module. @throws ERR_INVALID_ARGUMENT for a name that is neither built in nor a path */
export function modelUrl(model: string | URL): string {
  if (model instanceof URL) return model.href;
  const builtIn = BUILT_IN.get(model);
  if (builtIn !== undefined) return builtIn.href;
  if (/^(file|data):/.test(model)) return model;
  if (model.includes('/')) return pathToFileURL(resolve(model)).href;
  throw invalidArgument(`there is no model ${model}`, `one of ${[...BUILT_IN.keys()].join(', ')}, or a module's path`);
}
