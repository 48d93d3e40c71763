import type { ConnectionHandle, Fd } from '../../kernel/kernel.js';
import { addon } from '../../native/addon.js';
import type { ConnectionReply } from '../../native/vfio-user.js';
import { systemError, VfioError } from '../../base/errors.js';

/** A reply that came. `close` closes the descriptors that were not kept. */
export class ReceivedReply {
  /** The bytes after the header. */
  readonly payload: Uint8Array;
  readonly #fds: Fd[];

  constructor(reply: ConnectionReply) {
    this.payload = reply.payload;
    this.#fds = reply.fds;
  }

  /** How many descriptors are left. */
  get fdCount(): number {
    return this.#fds.length;
  }

  /** Takes the first descriptor, if there is one. The caller owns it. */
  keepFd(): Fd | undefined {
    return this.#fds.shift();
  }

  /** Closes the descriptors that were not kept. */
  close(): void {
    for (const fd of this.#fds.splice(0)) addon.closeFdSync(fd);
  }
}

/** Sends commands over a connection. Its errors name the command. */
export class CommandSender {
  /** The native connection. */
  readonly connection: ConnectionHandle;
  readonly #path: string | undefined;

  /** @param path the socket's path, for errors */
  constructor(connection: ConnectionHandle, path: string | undefined) {
    this.connection = connection;
    this.#path = path;
  }

  /**
   * Sends a command and reads its reply.
   * @param name the command's name, such as `DEVICE_GET_INFO`
   * @param fds the descriptors to send; the caller keeps them
   * @param read reads the reply; the descriptors that it does not keep are closed
   */
  async send<T>(
    name: string,
    command: number,
    payload: Uint8Array,
    fds: readonly Fd[],
    read: (reply: ReceivedReply) => T,
  ): Promise<T> {
    const syscall = `vfio-user(${name})`;
    const answer = new ReceivedReply(await this.#request(syscall, command, payload, fds));
    try {
      return read(answer);
    } catch (cause) {
      if (!(cause instanceof VfioError)) throw cause;
      throw new VfioError(`${syscall}: ${cause.message}`, { code: cause.code, syscall, path: this.#path, cause });
    } finally {
      answer.close();
    }
  }

  async #request(syscall: string, command: number, payload: Uint8Array, fds: readonly Fd[]): Promise<ConnectionReply> {
    try {
      return await addon.connectionRequest(this.connection, command, payload, fds);
    } catch (cause) {
      if (!(cause instanceof VfioError) || cause.errno === undefined) throw cause;
      const hint = cause.code === 'ENODEV' ? "the device's server left or violated the protocol" : undefined;
      throw systemError(cause.errno, syscall, { path: this.#path, hint, cause });
    }
  }
}
