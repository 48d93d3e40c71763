/**
 * The part of /sys that the engine reads and writes. The real one is the file system's; the software core shows its
 * devices through the same paths, so that group lookup, viability and driver binding are one piece of code.
 * Paths are absolute and start with `/sys/`. Errors have the `code` of `node:fs`: `ENOENT`, `EACCES`, `ENODEV`, `EBUSY`.
 */
export interface Sysfs {
  readlink(path: string): Promise<string>;
  readFile(path: string): Promise<Uint8Array>;
  readdir(path: string): Promise<string[]>;
  writeFile(path: string, data: string): Promise<void>;
  /**
   * Writes what the kernel may answer late or never: taking a driver away waits, without end, for the device's users.
   * @param timeoutMs 0 to 2^31 - 1, the longest that a timer takes
   * @throws ERR_TIMEOUT after it; the kernel goes on waiting
   */
  writeSlowly(path: string, data: string, timeoutMs: number): Promise<void>;
  exists(path: string): Promise<boolean>;
}
