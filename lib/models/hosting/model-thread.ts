import { Worker } from 'node:worker_threads';

import { VfioError } from '../../base/errors.js';
import { threadError } from '../../base/thread-error.js';
import type { Fd } from '../../kernel/kernel.js';
import { addon } from '../../native/addon.js';
import { requireStartDescriptors } from '../../native/free-descriptors.js';
import { OwnedResources } from '../../vfio-user/server/owned-resources.js';
import { ExitNotice, type ExitListener } from './exit-notice.js';
import type { ModelDescription } from './model-description.js';
import { awaitStart, inheritedArguments, notCloneable, STOP_MS } from './model-start.js';
import type { RunRequest } from './run-model.js';

/** A model in a thread of this process. It owns the endpoint's descriptor and closes it when the thread is gone. */
export class ModelThread {
  /** Node joins its threads when the process exits: a thread that blocks in a system call must be woken first. */
  static readonly #running = new Set<ModelThread>();
  static #hooked = false;

  readonly #exit = new ExitNotice();
  readonly #resources = OwnedResources.memory();
  readonly #worker: Worker;
  readonly #endpoint: Fd;
  #stopping: Promise<void> | undefined;

  private constructor(request: RunRequest) {
    this.#endpoint = request.endpoint.fd;
    const workerData: RunRequest = { ...request, owned: this.#resources };
    this.#worker = new Worker(new URL('../../../workers/model-host.js', import.meta.url), {
      workerData,
      name: 'vfio-model',
      execArgv: inheritedArguments(),
    });
    this.#worker.on('error', (error) => this.#exit.blame(threadError(error)));
    this.#worker.once('exit', (code) => this.#end(code));
    ModelThread.#running.add(this);
  }

  /** Starts a model and waits until it is ready to serve. @param keepsAlive whether the model keeps the process alive */
  static async start(
    request: RunRequest,
    keepsAlive: boolean,
  ): Promise<{ host: ModelThread; description: ModelDescription }> {
    ModelThread.#hookExit();
    const host = ModelThread.#spawn(request);
    try {
      const description = await awaitStart(host.#worker, host.#exit);
      if (!keepsAlive) host.#worker.unref();
      return { host, description };
    } catch (error) {
      await host.stop();
      throw error;
    }
  }

  /** Calls `listener` once, when the thread has ended. */
  onExit(listener: ExitListener): void {
    this.#exit.listen(listener);
  }

  /** Asks the thread to end, and terminates it if it does not end in time. Resolves when the thread is gone. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  static #spawn(request: RunRequest): ModelThread {
    try {
      requireStartDescriptors('thread');
      return new ModelThread(request);
    } catch (error) {
      // No thread exists that closes the descriptor.
      addon.closeFdSync(request.endpoint.fd);
      if (error instanceof DOMException && error.name === 'DataCloneError') throw notCloneable(error);
      throw threadError(error);
    }
  }

  static #hookExit(): void {
    if (ModelThread.#hooked) return;
    ModelThread.#hooked = true;
    process.once('exit', () => {
      for (const host of ModelThread.#running) addon.socketShutdown(host.#endpoint);
    });
  }

  async #stop(): Promise<void> {
    if (this.#exit.ended) return;
    this.#worker.ref();
    this.#worker.postMessage('stop');
    addon.socketShutdown(this.#endpoint);
    if (!(await this.#exit.within(STOP_MS))) await this.#worker.terminate();
  }

  /** Closes everything that the thread held, also if the thread died in the middle of a request. */
  #end(code: number): void {
    if (code !== 0 && this.#stopping === undefined) {
      this.#exit.blame(new VfioError(`the model's thread exited with code ${code}`, { code: 'EIO' }));
    }
    ModelThread.#running.delete(this);
    new OwnedResources(this.#resources).closeAll();
    addon.closeFdSync(this.#endpoint);
    this.#exit.tell();
  }
}
