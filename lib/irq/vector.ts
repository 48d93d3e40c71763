import { LONGEST_WAIT_MS, requireNumber, requireOptions, shown } from '../base/arguments.js';
import { invalidArgument, VfioError } from '../base/errors.js';
import type { Fd } from '../kernel/kernel.js';
import { addon } from '../native/addon.js';
import type { WatcherHandle } from '../native/event.js';

/** What is told of each interrupt, or of some that came together. */
export type IrqListener = (count: number) => void;

interface Waiter {
  resolve(count: number): void;
  reject(error: VfioError): void;
}

/** How long to wait for an interrupt. */
export interface NextOptions {
  /** Milliseconds after which the wait fails with ERR_TIMEOUT. Default: none. */
  readonly timeoutMs?: number;
}

/** Refuses a wait that is none. @throws ERR_INVALID_ARGUMENT */
export function requireWait(options: NextOptions): void {
  requireOptions(options);
  const { timeoutMs } = options;
  if (timeoutMs !== undefined) requireNumber('timeoutMs', timeoutMs, 0, LONGEST_WAIT_MS);
}

/** Refuses what says neither yes nor no. @throws ERR_INVALID_ARGUMENT */
export function requireRef(ref: boolean): void {
  if (typeof ref !== 'boolean') throw invalidArgument(`ref is ${shown(ref)}`, 'give true or false');
}

/** The eventfd of one vector, and who waits for it. Thread: the one that made it. */
export class IrqVector {
  /** 1 once it is closed: what waits for it in other threads looks here. */
  readonly off = new Int32Array(new SharedArrayBuffer(4));
  readonly #owned: boolean;
  readonly #waiters = new Set<Waiter>();
  #watcher: WatcherHandle | undefined;
  #pending = 0;
  #listener: IrqListener | undefined;
  #closed = false;

  private constructor(
    readonly fd: Fd,
    owned: boolean,
  ) {
    this.#owned = owned;
  }

  /** Makes an eventfd of its own, watched on this thread where there is a listener. */
  static create(listener: IrqListener | undefined): IrqVector {
    const vector = new IrqVector(addon.eventfdCreate(), true);
    if (listener === undefined) return vector;
    try {
      vector.#listener = listener;
      vector.watch();
      return vector;
    } catch (error) {
      vector.close();
      throw error;
    }
  }

  /** Takes the user's eventfd, which stays the user's to read and close. */
  static borrow(fd: Fd): IrqVector {
    return new IrqVector(fd, false);
  }

  /** Takes over an eventfd, which is closed with the vector; nothing watches it before `watch`. */
  static adopt(fd: Fd): IrqVector {
    return new IrqVector(fd, true);
  }

  /** Has this thread's event loop watch the eventfd. @returns false where it does already */
  watch(): boolean {
    if (this.#watcher !== undefined) return false;
    this.#watcher = addon.watcherCreate(this.fd, (count) => this.#deliver(count));
    return true;
  }

  /** Whether this thread takes the counts. */
  get watched(): boolean {
    return this.#watcher !== undefined;
  }

  /** Takes the count of what this thread was told of and nobody waited for. */
  take(): number {
    const count = this.#pending;
    this.#pending = 0;
    return count;
  }

  /** Waits for interrupts and takes their count, at once where some came since the last time. @param options checked */
  next(options: NextOptions = {}): Promise<number> {
    const { timeoutMs } = options;
    if (this.#watcher === undefined) {
      const message = 'the interrupt goes to an eventfd: wait for it with an `IrqWaiter`';
      return Promise.reject(new VfioError(message, { code: 'ERR_NOT_SUPPORTED' }));
    }
    if (this.#pending > 0) return Promise.resolve(this.take());
    return new Promise((resolve, reject) => {
      const timer = timeoutMs === undefined ? undefined : setTimeout(() => expire(timeoutMs), timeoutMs);
      const settle = <T>(finish: (value: T) => void): ((value: T) => void) => {
        return (value) => {
          clearTimeout(timer);
          this.#waiters.delete(waiter);
          finish(value);
        };
      };
      const waiter = { resolve: settle(resolve), reject: settle(reject) };
      const expire = (after: number): void =>
        waiter.reject(new VfioError(`no interrupt came in ${after} ms`, { code: 'ERR_TIMEOUT' }));
      this.#waiters.add(waiter);
    });
  }

  /** Lets the event loop end although the vector is watched, or not. */
  setRef(ref: boolean): void {
    requireRef(ref);
    if (this.#watcher !== undefined) addon.watcherSetRef(this.#watcher, ref);
  }

  /**
   * Delivers what lies in the eventfd and no turn of the event loop has taken, then ends the waits. For when the kernel
   * has let go of the eventfd, so that no interrupt is lost with it.
   */
  end(): void {
    if (this.#closed) return;
    if (this.watched) {
      const count = addon.eventfdRead(this.fd);
      if (count > 0) this.#deliver(count);
    }
    this.#stop();
  }

  /** Ends the watch and the waits. Closing twice does nothing. */
  close(): void {
    Atomics.store(this.off, 0, 1);
    Atomics.notify(this.off, 0);
    this.#stop();
    if (this.#owned && !this.#closed) addon.closeFdSync(this.fd);
    this.#closed = true;
  }

  #stop(): void {
    const watcher = this.#watcher;
    this.#watcher = undefined;
    if (watcher !== undefined) addon.watcherClose(watcher);
    for (const waiter of [...this.#waiters]) {
      waiter.reject(new VfioError('the interrupt was turned off', { code: 'ERR_CLOSED' }));
    }
  }

  #deliver(count: number): void {
    this.#pending += count;
    const [first] = this.#waiters;
    first?.resolve(this.take());
    this.#listener?.(count);
  }
}
