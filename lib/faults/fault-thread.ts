import { fileURLToPath } from 'node:url';
import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from 'node:worker_threads';

import { warn } from '../base/diagnostics.js';
import { VfioError } from '../base/errors.js';
import type { FaultSettings } from './fault-chooser.js';
import type { InjectedFault } from './fault.js';
import type { FaultThreadData, FromFaultThread, ToFaultThread } from './messages.js';

const FAULT_HOST = fileURLToPath(new URL('../../workers/fault-host.js', import.meta.url));

/** What the thread asks of its plan. */
export interface FaultThreadOwner {
  /** Called for each fault that the thread has injected. */
  injected(fault: InjectedFault): void;
  /** Called when a device was removed. */
  removed(deviceId: number): void;
  /** Terminates the I/O worker of a device. */
  kill(fault: InjectedFault): void;
}

/** A message that the thread answers by `done`. */
type Request = { readonly kind: 'close-accesses'; readonly deviceId: number } | CloseIrqs;
interface CloseIrqs {
  readonly kind: 'close-irqs';
  readonly ids: readonly number[];
}

/**
 * The thread through which accesses and interrupts of faulty devices pass. It is a thread, because a program may block its
 * own threads until an access is answered. It keeps the process alive only while a request waits for its answer.
 * Thread: the plan's.
 */
export class FaultThread {
  readonly #worker: Worker;
  readonly #port: MessagePort;
  readonly #owner: FaultThreadOwner;
  readonly #requests = new Map<number, { resolve: () => void; reject: (error: VfioError) => void }>();
  #lastRequest = 0;
  #failure: VfioError | undefined;

  /** Starts the thread. Messages wait until it serves. */
  constructor(settings: FaultSettings, owner: FaultThreadOwner) {
    this.#owner = owner;
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    const workerData: FaultThreadData = { settings, port: port2 };
    this.#worker = new Worker(FAULT_HOST, { workerData, transferList: [port2] });
    this.#worker.on('error', (error) => this.#fail(error));
    this.#worker.on('exit', () => this.#fail());
    this.#port.on('message', (message: FromFaultThread) => this.#take(message));
    this.#keepAlive(false);
  }

  /** Sends a message. */
  tell(message: ToFaultThread): void {
    this.#port.postMessage(message);
  }

  /** Sends a message and waits for its answer. @throws (rejects) ERR_WORKER_DIED */
  async ask(request: Request): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    const id = ++this.#lastRequest;
    this.#keepAlive(true);
    try {
      await new Promise<void>((resolve, reject) => {
        this.#requests.set(id, { resolve, reject });
        this.tell({ ...request, request: id });
      });
    } finally {
      this.#requests.delete(id);
      if (this.#requests.size === 0) this.#keepAlive(false);
    }
  }

  /** Takes the messages that have arrived and are not yet handled. */
  drain(): void {
    for (;;) {
      const received = receiveMessageOnPort(this.#port);
      if (received === undefined) return;
      this.#take(received.message as FromFaultThread);
    }
  }

  /** Ends the thread. No device uses it any more. */
  async end(): Promise<void> {
    this.drain();
    this.#port.close();
    await this.#worker.terminate();
  }

  #take(message: FromFaultThread): void {
    switch (message.kind) {
      case 'injected':
        this.#owner.injected(message.fault);
        break;
      case 'removed':
        this.#owner.removed(message.deviceId);
        break;
      case 'kill':
        this.#owner.kill(message.fault);
        this.tell({ kind: 'killed', ticket: message.ticket });
        break;
      case 'done':
        this.#requests.get(message.request)?.resolve();
    }
  }

  #keepAlive(keep: boolean): void {
    if (keep) {
      this.#worker.ref();
      this.#port.ref();
    } else {
      this.#worker.unref();
      this.#port.unref();
    }
  }

  #fail(cause?: Error): void {
    this.#failure ??= new VfioError('the thread of a fault plan ended', { code: 'ERR_WORKER_DIED', cause });
    if (cause !== undefined) warn('the thread of a fault plan failed', cause);
    for (const { reject } of this.#requests.values()) reject(this.#failure);
  }
}
