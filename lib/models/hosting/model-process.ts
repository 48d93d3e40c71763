import { fork, type ChildProcess } from 'node:child_process';

import { deserializeError, VfioError } from '../../base/errors.js';
import { addon } from '../../native/addon.js';
import type { ModelDescription } from './model-description.js';
import { ExitNotice, inheritedArguments, START_MS, startTimeout, STOP_MS } from './exit-notice.js';
import type { HostMessage } from './model-thread.js';
import type { RunRequest } from './run-model.js';

/** Where the child finds its socket: behind stdin, stdout, stderr and the channel to its parent. */
export const CHILD_SOCKET = 4;

/** A model in a process of its own. The endpoint's descriptor is the child's; this process's copy is closed. */
export class ModelProcess {
  readonly #exit = new ExitNotice();
  readonly #child: ChildProcess;
  #stopping: Promise<void> | undefined;

  private constructor(request: RunRequest) {
    this.#child = fork(new URL('../../../workers/model-process.js', import.meta.url), {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc', request.endpoint.fd],
      // Structured clone, as a thread's: options may hold bigints and typed arrays.
      serialization: 'advanced',
      execArgv: inheritedArguments(),
    });
    this.#child.once('error', (cause) => this.#exit.blame(new VfioError(cause.message, { code: 'EIO', cause })));
    this.#child.once('exit', (code, signal) => this.#end(code, signal));
  }

  /** Starts a model and waits until it serves; from then on it does not keep this process alive. */
  static async start(request: RunRequest): Promise<{ host: ModelProcess; description: ModelDescription }> {
    const host = ModelProcess.#spawn(request);
    try {
      const description = await host.#ready(request);
      host.#child.unref();
      host.#child.channel?.unref();
      return { host, description };
    } catch (error) {
      await host.stop();
      throw error;
    }
  }

  onExit(listener: (error: VfioError | undefined) => void): void {
    this.#exit.listen(listener);
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  static #spawn(request: RunRequest): ModelProcess {
    try {
      return new ModelProcess(request);
    } finally {
      addon.closeFdSync(request.endpoint.fd);
    }
  }

  async #stop(): Promise<void> {
    if (this.#exit.ended || this.#child.pid === undefined) return;
    this.#child.ref();
    this.#child.kill('SIGTERM');
    if (await this.#exit.within(STOP_MS)) return;
    this.#child.kill('SIGKILL');
    await this.#exit.within(STOP_MS);
  }

  #ready(request: RunRequest): Promise<ModelDescription> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(startTimeout()), START_MS);
      const finish = (action: () => void): void => {
        clearTimeout(timer);
        action();
      };
      this.#child.once('message', (message: HostMessage) => {
        finish(() =>
          message.kind === 'ready' ? resolve(message.description) : reject(deserializeError(message.error)),
        );
      });
      this.onExit((error) => finish(() => reject(error ?? new VfioError('the model ended', { code: 'ERR_CLOSED' }))));
      const toChild: RunRequest = { ...request, endpoint: { kind: request.endpoint.kind, fd: CHILD_SOCKET } };
      this.#child.send(toChild, (error) => {
        if (error !== null) finish(() => reject(new VfioError(error.message, { code: 'EIO', cause: error })));
      });
    });
  }

  #end(code: number | null, signal: NodeJS.Signals | null): void {
    const asked = this.#stopping !== undefined;
    if (!asked && (code !== 0 || signal !== null)) {
      this.#exit.blame(
        new VfioError(`the model's process ended by ${signal ?? `code ${code ?? ''}`}`, { code: 'EIO' }),
      );
    }
    this.#exit.tell();
  }
}
