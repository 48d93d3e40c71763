import { promises as fs } from 'node:fs';

import { addon } from '../native/addon.js';
import type { Sysfs } from '../kernel/sysfs.js';
import { toPromise } from '../base/sync-or-async.js';
import { writeInChild } from './write-in-child.js';

/**
 * The /sys of this machine. Reads run on the calling thread: the kernel makes their data from memory without waiting. libuv's
 * thread pool, and `node:fs` with it, costs ten times as much as the read.
 */
export const linuxSysfs: Sysfs = {
  readlink: (path) => toPromise(() => addon.sysfsReadlink(path)),
  readFile: (path) => toPromise(() => addon.sysfsRead(path)),
  readdir: (path) => toPromise(() => addon.sysfsReaddir(path)),
  writeFile: (path, data) => fs.writeFile(path, data),
  writeSlowly: writeInChild,
  exists: (path) => toPromise(() => addon.sysfsExists(path)),
};
