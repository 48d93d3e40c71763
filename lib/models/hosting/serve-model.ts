import { requireObject, requireSignal, requireString } from '../../base/arguments.js';
import { VfioError } from '../../base/errors.js';
import { addon } from '../../native/addon.js';
import type { ModelDescription } from './model-description.js';
import { moduleUrlOf, type ModelSpec } from './model-module.js';
import { ModelThread } from './model-thread.js';

/** Where a model is served, and until when. */
export interface ServeOptions {
  /** The path of the unix socket to create. The caller removes the file afterwards. */
  readonly path: string;
  /** Stops the model, as `ServedModel.stop` does. */
  readonly signal?: AbortSignal;
}

/** A model that vfio-user clients connect to. */
export interface ServedModel {
  /** The path of the socket. */
  readonly path: string;
  /** The static facts of the model. */
  readonly description: ModelDescription;
  /** Ends the model: asks it to end, and after 2 s ends its thread by force. Resolves when it is gone. */
  stop(): Promise<void>;
  /** Calls `listener` once, when the model has ended, with the error that ended it if there was one. */
  onExit(listener: (error: VfioError | undefined) => void): void;
}

/**
 * Serves a model on a unix socket to vfio-user clients such as QEMU, one client at a time: while a client is connected,
 * others get EBUSY. The state of the device outlives its clients. When a client leaves, its memory is unmapped and its eventfds are closed.
 * The process stays alive until the model is stopped.
 * @throws ERR_INVALID_ARGUMENT for a wrong argument; EADDRINUSE, ENAMETOOLONG; ERR_ABORTED if the signal is already
 * aborted; and what `startModel` throws
 * Thread: the caller's. The model runs in a thread of this process.
 */
export async function serveModel(spec: ModelSpec, where: ServeOptions): Promise<ServedModel> {
  const moduleUrl = moduleUrlOf(spec);
  requireObject('where', where);
  const { path, signal } = where;
  requireString('path', path);
  requireSignal(signal);
  checkNotAborted(signal);
  const listener = addon.unixListen(path, 1);
  const request = { moduleUrl, options: spec.options, endpoint: { kind: 'listener', fd: listener } } as const;
  const { host, description } = await ModelThread.start(request, true);
  // onExit reports an error of the forced end too.
  const abort = (): void => void host.stop();
  signal?.addEventListener('abort', abort, { once: true });
  host.onExit(() => signal?.removeEventListener('abort', abort));
  if (signal?.aborted === true) abort();
  return { path, description, stop: () => host.stop(), onExit: (callback) => host.onExit(callback) };
}

function checkNotAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted !== true) return;
  throw new VfioError('the model is not served: the signal is aborted', { code: 'ERR_ABORTED', cause: signal.reason });
}
