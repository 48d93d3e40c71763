/**
 * Access to /sys. The real kernel uses the file system. The software core shows its devices under the same paths, so that the
 * same code finds groups, checks viability and binds drivers on both. Paths are absolute and start with `/sys/`. Errors have
 * an errno name as `code`: `ENOENT`, `EACCES`, `ENODEV`, `EBUSY` and others.
 */
export interface Sysfs {
  /** Reads the target of a symbolic link. */
  readlink(path: string): Promise<string>;
  /** Reads a file, at most 1 MiB. */
  readFile(path: string): Promise<Uint8Array>;
  /** Lists the names in a folder. */
  readdir(path: string): Promise<string[]>;
  /** Writes a file whose write does not block. */
  writeFile(path: string, data: string): Promise<void>;
  /**
   * Writes a file whose write can block for long: unbinding a driver waits for the users of the device without a limit.
   * @param timeoutMs 0 to 2,147,483,647
   * @throws ERR_TIMEOUT after `timeoutMs`; the kernel still waits
   */
  writeSlowly(path: string, data: string, timeoutMs: number): Promise<void>;
  /** Tells whether a file or folder exists. */
  exists(path: string): Promise<boolean>;
}
