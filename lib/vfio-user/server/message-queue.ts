import type { Message, Transport } from './transport.js';

/** How long a client may take to answer a DMA message. QEMU waits as long for its own requests. */
const DMA_TIMEOUT_MS = 5000;
/** How many commands may be served inside one another. */
const MAX_DEPTH = 16;
/** How many commands may wait because of `MAX_DEPTH`. */
const MAX_WAITING = 4096;

interface ServerRequest {
  readonly command: number;
  done: boolean;
  reply?: Uint8Array;
}

/**
 * Separates the client's messages into commands and replies to the server's own requests. While a request waits for its
 * reply, commands are served inside the wait. At a depth of `MAX_DEPTH`, further commands wait in order: a client may
 * start DMA faster than it answers it.
 */
export class MessageQueue {
  readonly #requests = new Map<number, ServerRequest>();
  readonly #waiting: Message[] = [];
  #depth = 0;
  #nextId = 0;

  constructor(
    private readonly transport: Transport,
    private readonly serve: (message: Message) => void,
  ) {}

  /** Waits for a command. @returns undefined if the time passed, a reply came, or the client left */
  next(timeoutMs: number): Message | undefined {
    return this.#waiting.shift() ?? this.#receive(timeoutMs);
  }

  /**
   * Sends a request to the client, and serves the client's commands until the reply comes.
   * @returns the reply's payload; undefined for an error reply, for no reply within 5 s, and if the client left
   */
  ask(command: number, payload: Uint8Array): Uint8Array | undefined {
    const request: ServerRequest = { command, done: false };
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

  /** Drops the commands that wait, and closes their descriptors. */
  clear(): void {
    for (const message of this.#waiting.splice(0)) message.fds.closeRest();
  }

  #serveUntil(request: ServerRequest, deadline: number): void {
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

  /** Drops a reply that came too late. Ends the connection for a reply to another command. */
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
