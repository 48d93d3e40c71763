import { fork, type ChildProcess } from 'node:child_process';

import { VfioError } from '../../base/errors.js';
import { threadError } from '../../base/thread-error.js';
import { addon } from '../../native/addon.js';
import { requireStartDescriptors } from '../../native/free-descriptors.js';
import { ExitNotice, type ExitListener } from './exit-notice.js';
import type { ModelDescription } from './model-description.js';
import { awaitStart, inheritedArguments, notCloneable, STOP_MS } from './model-start.js';
import type { RunRequest } from './run-model.js';

/** The child's descriptor of its socket, after stdin, stdout, stderr and the channel to its parent. */
const CHILD_SOCKET = 4;

/** A model in a process of its own. The child owns the endpoint's descriptor; this process closes its copy. */
export class ModelProcess {
  readonly #exit = new ExitNotice();
  readonly #child: ChildProcess;
  #stopping: Promise<void> | undefined;

  private constructor(request: RunRequest) {
    this.#child = fork(new URL('../../../workers/model-process.js', import.meta.url), {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc', request.endpoint.fd],
      // Structured clone, as for a thread: options may hold bigints and typed arrays.
      serialization: 'advanced',
      execArgv: inheritedArguments(),
    });
    this.#child.once('error', (cause) => this.#fail(cause));
    this.#child.once('exit', (code, signal) => this.#end(code, signal));
  }

  /** Starts a model and waits until it is ready to serve. The model does not keep this process alive. */
  static async start(request: RunRequest): Promise<{ host: ModelProcess; description: ModelDescription }> {
    const host = ModelProcess.#spawn(request);
    try {
      const description = await awaitStart(host.#child, host.#exit, (fail) => host.#send(request, fail));
      host.#child.unref();
      host.#child.channel?.unref();
      return { host, description };
    } catch (error) {
      await host.stop();
      throw error;
    }
  }

  /** Calls `listener` once, when the process has ended. */
  onExit(listener: ExitListener): void {
    this.#exit.listen(listener);
  }

  /** Sends SIGTERM, and SIGKILL if the process does not end in time. Resolves when the process is gone. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  static #spawn(request: RunRequest): ModelProcess {
    try {
      requireStartDescriptors('process');
      return new ModelProcess(request);
    } catch (error) {
      throw threadError(error);
    } finally {
      addon.closeFdSync(request.endpoint.fd);
    }
  }

  #send(request: RunRequest, fail: (error: VfioError) => void): void {
    // It was not started: the event `error` tells why.
    if (this.#child.pid === undefined) return;
    const toChild: RunRequest = { ...request, endpoint: { kind: request.endpoint.kind, fd: CHILD_SOCKET } };
    try {
      this.#child.send(toChild, (error) => {
        if (error !== null) fail(new VfioError(error.message, { code: 'EIO', cause: error }));
      });
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      // send() serializes at once: it throws only for options that cannot be cloned.
      fail(notCloneable(error));
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

  /** A process that was not started has no event `exit`. */
  #fail(cause: Error): void {
    this.#exit.blame(threadError(cause));
    if (this.#child.pid === undefined) this.#exit.tell();
  }

  #end(code: number | null, signal: NodeJS.Signals | null): void {
    const stopped = this.#stopping !== undefined;
    if (!stopped && (code !== 0 || signal !== null)) {
      const reason = signal === null ? `exited with code ${code ?? ''}` : `was ended by ${signal}`;
      this.#exit.blame(new VfioError(`the model's process ${reason}`, { code: 'EIO' }));
    }
    this.#exit.tell();
  }
}
