import { Worker } from 'node:worker_threads';

import { deserializeError, serializeError, VfioError, type SerializedError } from '../../base/errors.js';
import type { Fd } from '../../kernel/kernel.js';
import { addon } from '../../native/addon.js';
import { OwnedResources } from '../../vfio-user/server/owned-resources.js';
import type { ModelDescription } from './model-description.js';
import { ExitNotice, inheritedArguments, START_MS, startTimeout, STOP_MS } from './exit-notice.js';
import type { RunRequest } from './run-model.js';

/** What a model's thread or process tells: that it serves, or why it does not. */
export type HostMessage =
  | { readonly kind: 'ready'; readonly description: ModelDescription }
  | { readonly kind: 'failed'; readonly error: SerializedError };

/** A model in a thread of this process. It owns the endpoint's descriptor, which it closes when the thread is gone. */
export class ModelThread {
  /** Node joins its threads when it ends: those that block in a system call have to be woken first. */
  static readonly #running = new Set<ModelThread>();
  static #hooked = false;

  readonly #exit = new ExitNotice();
  readonly #memory = OwnedResources.memory();
  readonly #worker: Worker;
  readonly #endpoint: Fd;
  #stopping: Promise<void> | undefined;

  private constructor(request: RunRequest) {
    this.#endpoint = request.endpoint.fd;
    const workerData: RunRequest = { ...request, owned: this.#memory };
    this.#worker = new Worker(new URL('../../../workers/model-host.js', import.meta.url), {
      workerData,
      name: 'vfio-model',
      execArgv: inheritedArguments(),
    });
    this.#worker.on('error', (error) => this.#exit.blame(deserializeError(serializeError(error))));
    this.#worker.once('exit', (code) => this.#end(code));
    ModelThread.#running.add(this);
  }

  /** Starts a model and waits until it serves; from then on it does not keep the process alive. */
  static async start(request: RunRequest): Promise<{ host: ModelThread; description: ModelDescription }> {
    ModelThread.#hookExit();
    const host = ModelThread.#spawn(request);
    try {
      const description = await host.#ready();
      host.#worker.unref();
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

  static #spawn(request: RunRequest): ModelThread {
    try {
      return new ModelThread(request);
    } catch (error) {
      // Options that cannot be cloned, or no room for a thread: nobody else closes the descriptor.
      addon.closeFdSync(request.endpoint.fd);
      throw error;
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

  #ready(): Promise<ModelDescription> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(startTimeout()), START_MS);
      const finish = (action: () => void): void => {
        clearTimeout(timer);
        action();
      };
      this.#worker.once('message', (message: HostMessage) => {
        finish(() =>
          message.kind === 'ready' ? resolve(message.description) : reject(deserializeError(message.error)),
        );
      });
      this.onExit((error) => finish(() => reject(error ?? new VfioError('the model ended', { code: 'ERR_CLOSED' }))));
    });
  }

  /** The thread is gone: what it held is closed here, also when it died in the middle. */
  #end(code: number): void {
    if (code !== 0 && this.#stopping === undefined) {
      this.#exit.blame(new VfioError(`the model's thread ended by code ${code}`, { code: 'EIO' }));
    }
    ModelThread.#running.delete(this);
    new OwnedResources(this.#memory).closeAll();
    addon.closeFdSync(this.#endpoint);
    this.#exit.tell();
  }
}
