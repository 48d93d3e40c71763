import type { Fd } from '../kernel/kernel.js';

/** File descriptors and eventfds. Source: native/event. */
export interface EventAddon {
  /** fcntl(F_GETFD): tells whether a descriptor of the process is open. */
  isOpenFd(fd: Fd): boolean;
  /** Tells whether a descriptor is that of an eventfd. */
  isEventfd(fd: Fd): boolean;
  /** close(2) on this thread. @throws EBADF */
  closeFdSync(fd: Fd): void;
  /** close(2) on the thread pool, for files whose release can sleep. @throws EBADF */
  closeFd(fd: Fd): Promise<void>;
  /** fcntl(F_DUPFD_CLOEXEC): duplicates a descriptor. @throws EBADF */
  dupFd(fd: Fd): Fd;
  /**
   * Makes an owner of a descriptor. The descriptor is closed by `fdOwnClose`, or when the owner is collected, or when its thread
   * ends, however it ends. @throws EBADF
   */
  fdOwn(fd: Fd): OwnedFd;
  /** Closes the descriptor of an owner. A second close does nothing. */
  fdOwnClose(owner: OwnedFd): void;
  /** eventfd(2): makes a non-blocking eventfd, closed on exec. */
  eventfdCreate(): Fd;
  /** Adds to the count of an eventfd. @throws EBADF; EINVAL if the file is not an eventfd */
  eventfdWrite(fd: Fd, value: number): void;
  /** Takes the count of an eventfd. Never blocks. @returns the count; 0 if there was none */
  eventfdRead(fd: Fd): number;
  /**
   * Waits for a count and takes it. Blocks: for worker threads only.
   * @param spinMicroseconds how long to poll before sleeping, 0 to 1000; default 0
   * @returns the count; 0 after `timeoutMs`
   */
  eventfdWait(fd: Fd, timeoutMs: number, spinMicroseconds?: number): number;
  /** Makes a watcher: it takes each count of an eventfd and calls back on this thread's event loop. The caller closes `fd`. */
  watcherCreate(fd: Fd, callback: (count: number) => void): WatcherHandle;
  /** Makes a watcher keep the event loop alive, or not. */
  watcherSetRef(watcher: WatcherHandle, ref: boolean): void;
  /** Closes a watcher: it does not call back any more. A second close does nothing. */
  watcherClose(watcher: WatcherHandle): void;
}

/** An object of this thread's environment. */
export type WatcherHandle = object;
/** An owner of a descriptor in this thread's environment. */
export type OwnedFd = object;
