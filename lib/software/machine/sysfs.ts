import { systemError, VfioError } from '../../base/errors.js';
import type { Sysfs } from '../../kernel/sysfs.js';
import type { ErrnoName } from '../../uapi/errno.js';
import { started } from '../../base/mutex.js';
import { ErrnoFailure } from '../base/errno-failure.js';
import { sysfsRoot, type SysfsMachine, type SysfsNode } from './sysfs-tree.js';

/** The kernel follows at most this many links on one path. Source: MAXSYMLINKS */
const LINKS_MAX = 40;

/** Makes the /sys of a machine: its devices, groups and drivers, under the paths of the real /sys. */
export function softwareSysfs(machine: SysfsMachine): Sysfs {
  const find = (call: string, path: string, followLast = true): SysfsNode => {
    const node = walk(sysfsRoot(machine), path, followLast);
    return typeof node === 'string' ? fail(node, call, path) : node;
  };
  const writeFile = async (path: string, data: string): Promise<void> => {
    const node = find('open', path);
    if (node.kind !== 'file') return fail('EISDIR', 'open', path);
    if (node.write === undefined) return fail('EACCES', 'open', path);
    try {
      await node.write(data.trim());
    } catch (error) {
      if (error instanceof ErrnoFailure) fail(error.code, 'write', path);
      throw error;
    }
  };
  return {
    readlink: (path) =>
      started(() => {
        const node = find('readlink', path, false);
        return node.kind === 'link' ? node.target : fail('EINVAL', 'readlink', path);
      }),
    readFile: (path) =>
      started(() => {
        const node = find('read', path);
        if (node.kind !== 'file') return fail('EISDIR', 'read', path);
        return node.read === undefined ? fail('EACCES', 'open', path) : new TextEncoder().encode(node.read());
      }),
    readdir: (path) =>
      started(() => {
        const node = find('scandir', path);
        return node.kind === 'directory' ? [...node.entries().keys()] : fail('ENOTDIR', 'scandir', path);
      }),
    writeFile,
    writeSlowly: (path, data, timeoutMs) => within(writeFile(path, data), timeoutMs, path),
    exists: (path) => started(() => typeof walk(sysfsRoot(machine), path, true) !== 'string'),
  };
}

/** Stops waiting for a write after a time. The write itself goes on, as a write to the real /sys does. @throws ERR_TIMEOUT */
async function within(writing: Promise<void>, timeoutMs: number, path: string): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const tooLong = new Promise<never>((_, reject) => {
    const message = `writing '${path}' did not end within ${timeoutMs} ms`;
    timer = setTimeout(() => reject(new VfioError(message, { code: 'ERR_TIMEOUT', path })), timeoutMs);
  });
  try {
    await Promise.race([writing, tooLong]);
  } finally {
    clearTimeout(timer);
  }
}

function fail(code: ErrnoName, call: string, path: string): never {
  throw systemError(code, call, { path });
}

/** Finds the node of a path. @returns the node, or the errno of the failure */
function walk(root: SysfsNode, path: string, followLast: boolean): SysfsNode | ErrnoName {
  let rest = partsOf(path);
  let trail: { readonly name: string; readonly node: SysfsNode }[] = [];
  for (let links = 0; rest.length > 0;) {
    const [name = '', ...after] = rest;
    rest = after;
    if (name === '..') {
      trail = trail.slice(0, -1);
      continue;
    }
    const parent = trail.at(-1)?.node ?? root;
    if (parent.kind !== 'directory') return 'ENOTDIR';
    const node = parent.entries().get(name);
    if (node === undefined) return 'ENOENT';
    if (node.kind !== 'link' || (rest.length === 0 && !followLast)) {
      trail = [...trail, { name, node }];
      continue;
    }
    links += 1;
    if (links > LINKS_MAX) return 'ELOOP';
    rest = [...partsOf(node.target), ...rest];
  }
  return trail.at(-1)?.node ?? root;
}

function partsOf(path: string): string[] {
  return path.split('/').filter((part) => part !== '' && part !== '.');
}
