import { requireOneOf, requireOptions } from '../../base/arguments.js';
import type { VfioError } from '../../base/errors.js';
import type { Fd } from '../../kernel/kernel.js';
import { addon } from '../../native/addon.js';
import type { ModelDescription } from './model-description.js';
import { moduleUrlOf, type ModelSpec } from './model-module.js';
import { ModelProcess } from './model-process.js';
import { ModelThread } from './model-thread.js';

/** How a model is hosted. */
export interface HostOptions {
  /** Where the model runs: in a thread of this process, or in a process of its own. Default `thread`. */
  readonly isolation?: 'thread' | 'process';
}

/** A running model and the connection to it. */
export interface HostedModel {
  /** The client's end of a socket pair. The caller owns it and closes it. */
  readonly socket: Fd;
  /** The static facts of the model. */
  readonly description: ModelDescription;
  /** Ends the model: asks it to end, and after 2 s ends its thread or process by force. Resolves when it is gone. */
  stop(): Promise<void>;
  /**
   * Calls `listener` once, when the model has ended, with the error that ended it if there was one. Calls it soon if the
   * model has ended already.
   */
  onExit(listener: (error: VfioError | undefined) => void): void;
}

/**
 * Starts a model behind one end of a socket pair. The model ends when its client closes the other end.
 * @returns the running model; it does not keep this process alive
 * @throws ERR_INVALID_ARGUMENT for an unknown model, a module that does not export a `PciModel`, or options that cannot
 * be cloned; ERR_TIMEOUT if the model does not start within 10 s; EIO with the message of what the module or its
 * `create` throws
 * Thread: the caller's. The model runs in its own thread or process.
 */
export async function startModel(spec: ModelSpec, options: HostOptions = {}): Promise<HostedModel> {
  const moduleUrl = moduleUrlOf(spec);
  requireOptions(options);
  const isolation = options.isolation ?? 'thread';
  requireOneOf('isolation', isolation, ['thread', 'process']);
  const [socket, serverSocket] = addon.socketPair();
  try {
    const request = { moduleUrl, options: spec.options, endpoint: { kind: 'connection', fd: serverSocket } } as const;
    const start = isolation === 'process' ? ModelProcess.start(request) : ModelThread.start(request, false);
    const { host, description } = await start;
    return { socket, description, stop: () => host.stop(), onExit: (listener) => host.onExit(listener) };
  } catch (error) {
    addon.closeFdSync(socket);
    throw error;
  }
}
