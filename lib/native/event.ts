import type { Fd } from '../kernel/kernel.js';

/** Source: native/event. File descriptors and eventfds. */
export interface EventAddon {
  /** Tells whether a descriptor of the process is open. fcntl(F_GETFD) */
  isOpenFd(fd: Fd): boolean;
  /** close(2) on this thread. @throws EBADF */
  closeFdSync(fd: Fd): void;
  /** close(2) off the event loop, for files whose release sleeps. @throws EBADF */
  closeFd(fd: Fd): Promise<void>;
  /** fcntl(F_DUPFD_CLOEXEC) */
  dupFd(fd: Fd): Fd;
  /** eventfd(2), non-blocking, close-on-exec. */
  eventfdCreate(): Fd;
  /** Adds to the count. @throws EBADF, EINVAL for a file of another kind */
  eventfdWrite(fd: Fd, value: number): void;
  /** Takes the count; 0 when there was none. Never blocks. */
  eventfdRead(fd: Fd): number;
  /**
   * Waits for a count and takes it; 0 when `timeoutMs` passed. Blocks: for worker threads.
   * @param spinMicroseconds how long to look before sleeping, up to 1000; default 0
   */
  eventfdWait(fd: Fd, timeoutMs: number, spinMicroseconds?: number): number;
  /** Calls back on this thread's event loop with each count taken from an eventfd; the descriptor stays the caller's. */
  watcherCreate(fd: Fd, callback: (count: number) => void): WatcherHandle;
  /** Lets the event loop end although the watcher lives (or not). */
  watcherSetRef(watcher: WatcherHandle, ref: boolean): void;
  /** Stops; no call back follows. Closing twice does nothing. */
  watcherClose(watcher: WatcherHandle): void;
}

/** An object of this thread's environment. */
export type WatcherHandle = object;
