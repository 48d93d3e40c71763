import type { Transport, Message } from './transport.js';

/** How long a client may take to answer a DMA message; QEMU gives its own requests as long. */
export const DMA_TIMEOUT_MS = 5000;
/** How many commands may be served inside one another. */
const MAX_DEPTH = 16;
/** How many commands may wait for that. */
const MAX_WAITING = 4096;

interface Request {
  readonly command: number;
  done: boolean;
  reply?: Uint8Array;
}

/**
 * Takes the client's messages apart: answers to the server's own requests, and commands. While a request waits, commands
 * are served inside of the wait; below `MAX_DEPTH` of them they wait in order, as on a client that starts DMA faster
 * than it answers.
 */
export class MessageQueue {
  readonly #requests = new Map<number, Request>();
  readonly #waiting: Message[] = [];
  #depth = 0;
  #nextId = 0;

  constructor(
    private readonly transport: Transport,
    private readonly serve: (message: Message) => void,
  ) {}

  /** Waits for the next command. @returns undefined when the time passed, an answer came instead, or the client left */
  next(timeoutMs: number): Message | undefined {
    return this.#waiting.shift() ?? this.#receive(timeoutMs);
  }

  /** Sends a command and serves until its answer is there. @returns the answer's payload, undefined for an error */
  ask(command: number, payload: Uint8Array): Uint8Array | undefined {
    const request: Request = { command, done: false };
    const id = this.#freeId();
    this.#requests.set(id, request);
    this.#depth += 1;
    try {
      this.transport.send({ id, command, type: 'command' }, payload);
      this.#serveUntil(request, performance.now() + DMA_TIMEOUT_MS);
      return request.reply;
    } finally {
      this.#depth -= 1;
      this.#requests.delete(id);
    }
  }

  clear(): void {
    for (const message of this.#waiting.splice(0)) message.fds.closeRest();
  }

  #serveUntil(request: Request, deadline: number): void {
    while (!request.done && this.transport.open) {
      const left = Math.ceil(deadline - performance.now());
      if (left <= 0) return;
      const message = this.#depth < MAX_DEPTH ? this.next(left) : this.#receive(left);
      if (message === undefined) continue;
      if (this.#depth < MAX_DEPTH) this.serve(message);
      else this.#postpone(message);
    }
  }

  #receive(timeoutMs: number): Message | undefined {
    const message = this.transport.receive(timeoutMs, this.#depth);
    if (message === undefined || message.header.type === 'command') return message;
    message.fds.closeRest();
    this.#complete(message);
    return undefined;
  }

  /** An answer that nobody waits for came too late, and is dropped. One to another command is a broken stream. */
  #complete({ header, payload }: Message): void {
    const request = this.#requests.get(header.id);
    if (request === undefined) return;
    if (request.command !== header.command) return this.transport.close();
    request.done = true;
    if (header.errno === undefined) request.reply = payload.slice();
  }

  #postpone(message: Message): void {
    if (this.#waiting.length >= MAX_WAITING) {
      message.fds.closeRest();
      return this.transport.close();
    }
    this.#waiting.push({ ...message, payload: message.payload.slice() });
  }

  #freeId(): number {
    do this.#nextId = (this.#nextId + 1) & 0xffff;
    while (this.#requests.has(this.#nextId));
    return this.#nextId;
  }
}
