import { promises as fs } from 'node:fs';

import { addon } from '../native/addon.js';
import type { Sysfs } from '../kernel/sysfs.js';
import { toPromise } from '../base/sync-or-async.js';
import { writeInChild } from './write-in-child.js';

/**
 * The machine's own /sys. What is read is made from the kernel's memory at once, so it is read on this thread: the pool's
 * threads cost ten times as much, and so do the functions of `node:fs`.
 */
export const linuxSysfs: Sysfs = {
  readlink: (path) => toPromise(() => addon.sysfsReadlink(path)),
  readFile: (path) => toPromise(() => addon.sysfsRead(path)),
  readdir: (path) => toPromise(() => addon.sysfsReaddir(path)),
  writeFile: (path, data) => fs.writeFile(path, data),
  writeSlowly: writeInChild,
  exists: (path) => toPromise(() => addon.sysfsExists(path)),
};
