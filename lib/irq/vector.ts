import { argumentError, LONGEST_WAIT_MS, requireNumber, requireOptions, requireSignal } from '../base/arguments.js';
import { VfioError } from '../base/errors.js';
import type { Fd } from '../kernel/kernel.js';
import { addon } from '../native/addon.js';
import type { OwnedFd, WatcherHandle } from '../native/event.js';

/** Called on this thread with the number of interrupts since the last call. */
export type IrqListener = (count: number) => void;

/** A call of `next` that waits. */
interface PendingWait {
  resolve(count: number): void;
  reject(error: VfioError): void;
}

/** Settings of a wait for interrupts that does not block the thread. */
export interface NextOptions {
  /** Aborting it ends the wait with ERR_ABORTED. */
  readonly signal?: AbortSignal;
  /** Milliseconds, 0 to 2,147,483,647, after which the wait fails with ERR_TIMEOUT. Default: no limit. */
  readonly timeoutMs?: number;
}

/** Checks the settings of a wait. @throws ERR_INVALID_ARGUMENT */
export function requireWait(options: NextOptions): void {
  requireOptions(options);
  const { timeoutMs, signal } = options;
  requireSignal(signal);
  if (timeoutMs !== undefined) requireNumber('timeoutMs', timeoutMs, 0, LONGEST_WAIT_MS);
}

/** Checks the argument of a `setRef`. @throws ERR_INVALID_ARGUMENT */
export function requireRef(ref: boolean): void {
  if (typeof ref !== 'boolean') throw argumentError('ref', 'true or false', ref);
}

/** Makes the error of a wait for a vector that was disabled. @param cause why the device is gone, if it is */
export function disabledError(cause?: VfioError): VfioError {
  return new VfioError('the interrupt vector was disabled', { code: 'ERR_CLOSED', cause });
}

/** Makes the error of a wait that was aborted. @param cause the reason of the signal */
export function abortedError(cause: unknown): VfioError {
  return new VfioError('the wait for an interrupt was aborted', { code: 'ERR_ABORTED', cause });
}

/** Makes the error of a wait that exceeded its time. */
export function timeoutError(timeoutMs: number): VfioError {
  return new VfioError(`no interrupt arrived within ${timeoutMs} ms`, { code: 'ERR_TIMEOUT' });
}

/** A duplicate of an eventfd on its way to another thread. */
export interface LentEventfd {
  readonly fd: Fd;
  /** 1 after a thread has taken ownership. Writers: both. */
  readonly taken: Int32Array<SharedArrayBuffer>;
}

/** Takes ownership of a lent eventfd. @returns false if somebody has it already */
export function takeLent({ taken }: LentEventfd): boolean {
  return Atomics.compareExchange(taken, 0, 0, 1) === 0;
}

/** The eventfd of one vector, and the waits for it. Thread: the one that created it. */
export class IrqVector {
  /** 1 after the vector is closed, for waits in other threads. */
  readonly off = new Int32Array(new SharedArrayBuffer(4));
  readonly #owned: boolean;
  readonly #waits = new Set<PendingWait>();
  #watcher: WatcherHandle | undefined;
  #pending = 0;
  #listener: IrqListener | undefined;
  /** The owner of an adopted eventfd. */
  #owner: OwnedFd | undefined;
  #closed = false;

  private constructor(
    readonly fd: Fd,
    owned: boolean,
  ) {
    this.#owned = owned;
  }

  /** Creates an eventfd. With a listener, the event loop of this thread watches it. */
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

  /** Uses an eventfd of the caller, who reads and closes it. */
  static borrow(fd: Fd): IrqVector {
    return new IrqVector(fd, false);
  }

  /** Takes ownership of an eventfd, which is closed at the end of this thread at the latest. Nothing watches it before `watch`. */
  static adopt(fd: Fd): IrqVector {
    const vector = new IrqVector(fd, false);
    vector.#owner = addon.fdOwn(fd);
    return vector;
  }

  /** Makes a duplicate of the eventfd for another thread. */
  lend(): LentEventfd {
    return { fd: addon.dupFd(this.fd), taken: new Int32Array(new SharedArrayBuffer(4)) };
  }

  /** Makes the event loop of this thread watch the eventfd. @returns false if it watches it already */
  watch(): boolean {
    if (this.#watcher !== undefined) return false;
    this.#watcher = addon.watcherCreate(this.fd, (count) => this.#deliver(count));
    return true;
  }

  /** Whether the event loop of this thread reads the eventfd. */
  get watched(): boolean {
    return this.#watcher !== undefined;
  }

  /** Returns the number of interrupts that the event loop has read and no wait has taken, and resets it. */
  take(): number {
    const count = this.#pending;
    this.#pending = 0;
    return count;
  }

  /**
   * Waits for interrupts and returns their number. Returns at once if some arrived since the last call.
   * @param options checked by the caller
   */
  next(options: NextOptions = {}): Promise<number> {
    const { timeoutMs, signal } = options;
    if (this.#watcher === undefined) {
      const message = 'the interrupt is delivered to an eventfd: wait for it with an `IrqWaiter`';
      return Promise.reject(new VfioError(message, { code: 'ERR_NOT_SUPPORTED' }));
    }
    if (signal?.aborted) return Promise.reject(abortedError(signal.reason));
    if (this.#pending > 0) return Promise.resolve(this.take());
    return new Promise((resolve, reject) => {
      const expire = (after: number): void => wait.reject(timeoutError(after));
      const timer = timeoutMs === undefined ? undefined : setTimeout(expire, timeoutMs, timeoutMs);
      const abort = (): void => wait.reject(abortedError(signal?.reason));
      signal?.addEventListener('abort', abort, { once: true });
      const settle = <T>(finish: (value: T) => void): ((value: T) => void) => {
        return (value) => {
          clearTimeout(timer);
          signal?.removeEventListener('abort', abort);
          this.#waits.delete(wait);
          finish(value);
        };
      };
      const wait = { resolve: settle(resolve), reject: settle(reject) };
      this.#waits.add(wait);
    });
  }

  /** Sets whether the watched vector keeps the event loop alive. */
  setRef(ref: boolean): void {
    requireRef(ref);
    if (this.#watcher !== undefined) addon.watcherSetRef(this.#watcher, ref);
  }

  /**
   * Delivers the interrupts that are still in the eventfd, then ends the waits. Called after the kernel has released the
   * eventfd, so that no interrupt is lost.
   */
  end(): void {
    if (this.#closed) return;
    if (this.watched) {
      const count = addon.eventfdRead(this.fd);
      if (count > 0) this.#deliver(count);
    }
    this.#stop();
  }

  /** Ends the watch and the waits. Closing twice has no effect. @param cause why the device is gone, if it is */
  close(cause?: VfioError): void {
    Atomics.store(this.off, 0, 1);
    Atomics.notify(this.off, 0);
    this.#stop(cause);
    if (this.#owner !== undefined) addon.fdOwnClose(this.#owner);
    if (this.#owned && !this.#closed) addon.closeFdSync(this.fd);
    this.#closed = true;
  }

  #stop(cause?: VfioError): void {
    const watcher = this.#watcher;
    this.#watcher = undefined;
    if (watcher !== undefined) addon.watcherClose(watcher);
    for (const wait of [...this.#waits]) wait.reject(disabledError(cause));
  }

  #deliver(count: number): void {
    this.#pending += count;
    const [first] = this.#waits;
    first?.resolve(this.take());
    this.#listener?.(count);
  }
}
