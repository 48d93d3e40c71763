import { existsSync, promises as fs, readdirSync, readFileSync, readlinkSync } from 'node:fs';

import { writeElsewhere } from './write-elsewhere.js';

/**
 * The part of /sys that the engine reads and writes. The real one is the file system's; the software core shows its
 * devices through the same paths, so that group lookup, viability and driver binding are one piece of code.
 * Paths are absolute and start with `/sys/`. Errors are those of `node:fs`: `ENOENT`, `EACCES`, `ENODEV`, `EBUSY`.
 */
export interface Sysfs {
  readlink(path: string): Promise<string>;
  readFile(path: string): Promise<Uint8Array>;
  readdir(path: string): Promise<string[]>;
  writeFile(path: string, data: string): Promise<void>;
  /**
   * Writes what the kernel may answer late or never: taking a driver away waits, without end, for the device's users.
   * @throws ERR_TIMEOUT after `timeoutMs`; the kernel goes on waiting
   */
  writeSlowly(path: string, data: string, timeoutMs: number): Promise<void>;
  exists(path: string): Promise<boolean>;
}

/**
 * The machine's own /sys. What is read is made from the kernel's memory at once, so it is read on this thread: the pool's
 * threads cost ten times as much.
 */
export const linuxSysfs: Sysfs = {
  readlink: (path) => promised(() => readlinkSync(path)),
  readFile: (path) => promised(() => readFileSync(path)),
  readdir: (path) => promised(() => readdirSync(path)),
  writeFile: (path, data) => fs.writeFile(path, data),
  writeSlowly: writeElsewhere,
  exists: (path) => promised(() => existsSync(path)),
};

function promised<T>(read: () => T): Promise<T> {
  return new Promise((resolve) => resolve(read()));
}
